//! Newtypes for the names of things, so that one is never taken for another.

use std::fmt;
use std::sync::Arc;

macro_rules! name {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(Arc<str>);

        impl $name {
            /// The name as given.
            pub fn new(name: impl AsRef<str>) -> Self {
                Self(Arc::from(name.as_ref()))
            }

            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&*self.0, f)
            }
        }

        impl From<&str> for $name {
            fn from(name: &str) -> Self {
                Self::new(name)
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }
    };
}

name!(
    /// Who a connection speaks for, as `catalog/users.yaml` names them.
    UserId
);
name!(
    /// The tenant that a user belongs to.
    TenantId
);
name!(
    /// A role, as the catalog spells it.
    Role
);
name!(
    /// A free word on a column, such as `PII`.
    Tag
);
name!(
    /// A workspace: what clients give as the database name.
    WorkspaceName
);
name!(
    /// Names one decision in errors, audit records and log lines.
    DecisionId
);
name!(
    /// Names one connection, for as long as it lasts.
    SessionId
);
name!(
    /// Names one statement of a session; both of its audit records carry it as `eventId`.
    StatementId
);

/// The name that clients use for a dataset: `schema.name`, both already folded.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DatasetName {
    schema: Arc<str>,
    name: Arc<str>,
}

impl DatasetName {
    /// A dataset's name from its folded parts.
    pub fn new(schema: impl AsRef<str>, name: impl AsRef<str>) -> Self {
        Self { schema: Arc::from(schema.as_ref()), name: Arc::from(name.as_ref()) }
    }

    /// Reads `schema.name`; a name without a schema is in `public`. `None` if a part is empty or there are more than two.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('.');
        let (first, second, third) = (parts.next()?, parts.next(), parts.next());
        match (first, second, third) {
            ("", ..) | (_, Some(""), _) | (_, _, Some(_)) => None,
            (name, None, None) => Some(Self::new("public", name)),
            (schema, Some(name), None) => Some(Self::new(schema, name)),
        }
    }

    /// The schema, such as `public`.
    pub fn schema(&self) -> &str {
        &self.schema
    }

    /// The name without its schema.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl fmt::Display for DatasetName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.schema, self.name)
    }
}

impl fmt::Debug for DatasetName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}
