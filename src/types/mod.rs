//! Words that every layer shares: names, classifications, SQL types, sizes.
//!
//! Nothing here knows SQL, a policy or a file. Names are stored folded as PostgreSQL folds them: what an
//! unquoted identifier becomes is done by the parser side, never here.

mod classification;
mod end_point;
mod names;
mod nearest;
mod parameter;
mod redacted;
mod settings;
mod sizes;
mod sql_type;

pub use classification::{Classification, Tier, UnknownWord};
pub use end_point::tls_server_end_point;
pub use names::{DatasetName, DecisionId, Role, SessionId, StatementId, Tag, TenantId, UserId, WorkspaceName};
pub use nearest::nearest;
pub use parameter::BoundParameter;
pub use redacted::Redacted;
pub use settings::{SettingValues, ValuesByName};
pub use sizes::{ByteCount, NotASize, Revision, RowCount};
pub use sql_type::SqlType;
