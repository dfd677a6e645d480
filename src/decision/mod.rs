//! What a policy decision says: allow with obligations, or deny with reasons. Plain values; nothing here decides.

mod limits;
mod mask;
mod mask_spec;

pub use limits::Limits;
pub use mask::{ConstantValue, Mask, MaskError};

use crate::types::{Classification, DatasetName, DecisionId};
use std::collections::BTreeMap;

/// The answer for one dataset of one statement. A denial is a value, not an error.
#[derive(Debug, Clone, PartialEq)]
pub enum Decision {
    /// The dataset may be read as the obligations say.
    Allow(Obligations),
    /// It may be read after somebody approved.
    RequireApproval(DenyReason),
    /// It may not be read.
    Deny(DenyReason),
}

/// All that must hold when a dataset is read.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Obligations {
    /// Conditions on rows; all must hold. Empty means every row, unless [`Self::filter_required`].
    pub row_filters: Vec<RowFilter>,
    /// The dataset says `row_filter: required`: without a filter there are no rows.
    pub filter_required: bool,
    /// What each column gives. A column without an entry is in the clear.
    pub column_masks: BTreeMap<String, ColumnMask>,
    /// The smallest of all limits that apply.
    pub limits: Limits,
    /// Which policies spoke, for the audit record and `EXPLAIN (GOVERNANCE)`.
    pub policies: Vec<PolicyRef>,
}

/// One condition on the rows of a dataset, as a policy wrote it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RowFilter {
    /// SQL over the dataset's raw columns, with `:name` for each parameter.
    pub expression: String,
    /// Values for the parameters; bound as literals, never pasted as text.
    pub params: BTreeMap<String, ParamValue>,
    /// Whose condition it is.
    pub policy: PolicyRef,
}

/// A value that a policy gives to a parameter.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum ParamValue {
    /// SQL NULL.
    Null,
    /// `true` or `false`.
    Boolean(bool),
    /// A number, in the digits that the policy gave.
    Number(String),
    /// Text.
    Text(String),
    /// A list, for `column IN (:list)`.
    List(Vec<ParamValue>),
}

/// What a column gives instead of its value.
#[derive(Debug, Clone, PartialEq)]
pub struct ColumnMask {
    /// The mask.
    pub mask: Mask,
    /// Where it comes from: a tag or a policy.
    pub origin: MaskOrigin,
}

/// Who asked for a mask.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MaskOrigin {
    /// The mask of a tag that the column carries.
    Tag(String),
    /// A policy's `column_masks`.
    Policy(PolicyRef),
}

/// A policy, as people find it again.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PolicyRef {
    /// Rego package, such as `analytics.data_access`.
    pub package: String,
    /// `metadata.id`, such as `P-2024-001`.
    pub id: Option<String>,
    /// `metadata.title`.
    pub title: Option<String>,
    /// `metadata.owner`: whom to ask.
    pub owner: Option<String>,
}

impl PolicyRef {
    /// A policy known by its package alone.
    pub fn package(package: impl Into<String>) -> Self {
        Self { package: package.into(), id: None, title: None, owner: None }
    }

    /// `P-2024-001 (PII export)`, or the package if it has no id.
    pub fn label(&self) -> String {
        match (&self.id, &self.title) {
            (Some(id), Some(title)) => format!("{id} ({title})"),
            (Some(id), None) => id.clone(),
            (None, Some(title)) => format!("{} ({title})", self.package),
            (None, None) => self.package.clone(),
        }
    }
}

/// Why something is denied and what to do instead.
#[derive(Debug, Clone, PartialEq)]
pub struct DenyReason {
    /// The decision, for the log and for asking about it.
    pub decision: DecisionId,
    /// What is denied.
    pub dataset: DatasetName,
    /// The columns that block, if it is columns; empty if it is the dataset.
    pub columns: Vec<String>,
    /// The most restrictive classification involved, when that is why.
    pub classification: Option<Classification>,
    /// The policies that deny, the corporate one first.
    pub policies: Vec<PolicyRef>,
    /// The policy's own sentences, sorted.
    pub reasons: Vec<String>,
    /// What to do instead, in the policy's order.
    pub alternatives: Vec<String>,
    /// For those without access it does not exist (`discoverable: false`): say so and nothing else.
    pub hidden: bool,
    /// The gate's own fault, such as a policy that raised an error: 58000, not 42501.
    pub unavailable: bool,
}
