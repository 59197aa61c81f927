//! The sidecar at work: the driver between both ends, hot reload, an orderly end, and who it works for.

mod alarms;
mod driver;
mod edit;
mod evidence;
mod held;
mod identity;
mod links;
mod listed;
mod origins;
mod question;
mod reload;
mod shutdown;
mod signals;
mod sources;
mod waiting;

pub use alarms::alarms;
pub use driver::{Ends, Run, drive};
pub use edit::{Change, Edited, Unedited};
pub use evidence::Evidence;
pub use held::{Asking, Held};
pub use identity::{
    User, facts, folder, home, home_text, repository, session_id, session_info, unguessable, user,
};
pub use links::LocalLinks;
pub use listed::{Known, Listed};
pub use question::{Asked, Question, Unasked, given, reading, request, server_named};
pub use reload::{Loaded, Reload, Reloads, Watched, Watching, assigned, source, summary, watch};
pub use signals::{Hangups, Signals};
pub use sources::{Reason, Unread, gather};
pub use waiting::Waiting;
