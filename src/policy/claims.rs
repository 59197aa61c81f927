//! What a server says of its own tools: the hints in the `annotations` of its list.
//!
//! It refuses to believe them: the server is on the governed side. Invariant: what is left out, or is no truth value,
//! counts as the worse of the two.

use super::Fact;
use crate::wire::Json;

/// What one tool claims, as MCP (2025-06-18, schema, `ToolAnnotations`) reads what is there and what is left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(clippy::struct_excessive_bools)] // four hints of the protocol, in any combination
pub struct Claims {
    /// It changes nothing: `readOnlyHint`, false where it is left out.
    pub read_only: bool,
    /// It may take something away: `destructiveHint`, true where it is left out; never of a tool that changes nothing.
    pub destructive: bool,
    /// A second call with the same arguments changes nothing more: `idempotentHint`, false where it is left out; so it
    /// is with every tool that changes nothing.
    pub idempotent: bool,
    /// It reaches out to more than the server's own: `openWorldHint`, true where it is left out.
    pub open_world: bool,
}

impl Default for Claims {
    /// Those of a tool that is listed without annotations.
    fn default() -> Self {
        Self { read_only: false, destructive: true, idempotent: false, open_world: true }
    }
}

impl Claims {
    /// The claims in a member of `result.tools`.
    pub fn of(definition: Json<'_>) -> Self {
        let annotations = definition.member("annotations");
        let hint = |name: &str| match annotations.and_then(|all| all.member(name))?.text() {
            "true" => Some(true),
            "false" => Some(false),
            _ => None,
        };
        let plain = Self::default();
        let read_only = hint("readOnlyHint").unwrap_or(plain.read_only);
        Self {
            read_only,
            destructive: !read_only && hint("destructiveHint").unwrap_or(plain.destructive),
            idempotent: read_only || hint("idempotentHint").unwrap_or(plain.idempotent),
            open_world: hint("openWorldHint").unwrap_or(plain.open_world),
        }
    }

    /// What they say of a fact, where it is one of theirs.
    pub fn says(self, fact: Fact) -> Option<bool> {
        match fact {
            Fact::ClaimedReadOnly => Some(self.read_only),
            Fact::ClaimedDestructive => Some(self.destructive),
            Fact::ClaimedIdempotent => Some(self.idempotent),
            Fact::ClaimedOpenWorld => Some(self.open_world),
            Fact::Agent
            | Fact::User
            | Fact::Group
            | Fact::Repo
            | Fact::Client
            | Fact::Environment
            | Fact::Server
            | Fact::Root
            | Fact::Risk
            | Fact::Action
            | Fact::Resource
            | Fact::Time
            | Fact::ToolChanged => None,
        }
    }

    /// The claims of a tool that is listed twice: the worse of each.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            read_only: self.read_only && other.read_only,
            destructive: self.destructive || other.destructive,
            idempotent: self.idempotent && other.idempotent,
            open_world: self.open_world || other.open_world,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Claims;
    use crate::wire::Json;

    fn of(annotations: &str) -> Claims {
        let tool = format!(r#"{{"name":"t","annotations":{annotations}}}"#);
        Claims::of(Json::from_text(&tool).unwrap())
    }

    #[test]
    fn what_is_left_out_or_is_no_truth_value_counts_as_the_worse() {
        let worst = Claims { read_only: false, destructive: true, idempotent: false, open_world: true };
        for said in
            ["{}", "null", "[]", r#"{"readOnlyHint":"true","destructiveHint":0,"openWorldHint":null}"#]
        {
            assert_eq!(of(said), worst, "{said}");
        }
        assert_eq!(Claims::of(Json::from_text(r#"{"name":"t"}"#).unwrap()), worst);
    }

    #[test]
    fn a_tool_that_changes_nothing_destroys_nothing_and_may_be_called_again() {
        let claims = of(r#"{"readOnlyHint":true,"destructiveHint":true}"#);
        assert!(claims.read_only && !claims.destructive && claims.idempotent && claims.open_world);
    }

    #[test]
    fn of_two_listings_of_one_tool_the_worse_holds() {
        let mild = of(r#"{"destructiveHint":false,"idempotentHint":true,"openWorldHint":false}"#);
        assert_eq!(mild.and(of("{}")), Claims::default());
        assert_eq!(of("{}").and(mild), Claims::default());
    }
}
