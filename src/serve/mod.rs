//! The HTTP face: agents that are not on stdio reach the same gate by `/mcp/{server}` and `/v1/check`.
