//! The sidecar at work: the driver between both ends, hot reload, an orderly end, and who it works for.

mod driver;
mod evidence;
mod identity;
mod links;
mod reload;
mod shutdown;
mod signals;
mod sources;

pub use driver::{Ends, Run, drive};
pub use evidence::Evidence;
pub use identity::{User, repository, user};
pub use links::LocalLinks;
pub use reload::{Loaded, Reload, Reloads, Watched, Watching, assigned, source, summary, watch};
pub use signals::{Asked, Hangups, Signals};
pub use sources::{Reason, Unread, gather};
