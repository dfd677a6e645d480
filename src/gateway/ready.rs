//! Statements that are ready for their source: governed, rewritten, printed and proved, once for each template.
//!
//! Decisions are made at execution. What is kept here is what they were made into, under everything that they could have
//! read: the template, the constants that are not lifted out of it, the types of parameters, who asks, where, from where,
//! why, with which search path. Catalog and policies are not in the key: each version of them has its own cache, and goes
//! with it. Where a policy reads the time, what was decided holds for its second, as decisions themselves do.

use super::Moment;
use super::record::Recorded;
use crate::error::ErrorReport;
use crate::execute::metadata::ResultColumn;
use crate::execute::upstream::{Column, Sendable};
use crate::pipeline::GovernedOutcome;
use crate::policy::Circumstances;
use crate::session::{Description, StatementContext};
use crate::sql::{Constant, ConstantKind, ParsedStatement, Template, Templated};
use ahash::RandomState;
use arrow::datatypes::SchemaRef;
use moka::policy::EvictionPolicy;
use moka::sync::Cache;
use postgres_types::Type;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// What all of it may take, in bytes, as far as that can be told.
const MOST_BYTES: u64 = 256 << 20;
/// What one byte of a key stands for, with what was decided.
const BYTES_FOR_ONE: usize = 10;
/// What one byte of a text that is sent stands for: the governed tree that it was printed of. Measured.
const BYTES_OF_A_CHARACTER: usize = 30;

/// A statement that can be sent whenever there is a permit for it.
#[derive(Debug)]
pub(super) struct Ready {
    /// Its text, and the statement in it.
    pub(super) sendable: Sendable,
    /// What was decided. Its statement is that of `sendable`.
    pub(super) governed: GovernedOutcome,
    /// How many of its parameters are lifted constants: the last ones.
    pub(super) lifted: usize,
    /// The second for which it holds.
    second: Option<i64>,
    told: Mutex<Option<Arc<Told>>>,
    recorded: OnceLock<Recorded>,
    /// Keeps the address in the key from being used again.
    template: Option<Arc<Template>>,
}

/// What the source said of a statement's result, and what that means here.
#[derive(Debug)]
pub(super) struct Told {
    pub(super) columns: Arc<[Column]>,
    pub(super) schema: SchemaRef,
    pub(super) result: Arc<Vec<ResultColumn>>,
    /// Known if the source was asked to describe it.
    pub(super) description: Option<Description>,
}

impl Ready {
    pub(super) fn new(sendable: Sendable, governed: GovernedOutcome, lifted: usize, moment: &Moment) -> Self {
        let second = moment.serving.policies.second(moment.now_ns());
        Self { sendable, governed, lifted, second, told: Mutex::default(), recorded: OnceLock::new(), template: None }
    }

    /// About how many bytes of memory it takes. A short statement over wide relations has a long text.
    fn bytes(&self) -> usize {
        let template = self.template.as_ref().map_or(0, |template| template.bytes());
        template.saturating_add(self.sendable.text_bytes().saturating_mul(BYTES_OF_A_CHARACTER))
    }

    /// What the records of a statement for which it was found say.
    ///
    /// # Errors
    /// 58000: it must not run.
    pub(super) fn recorded(&self, statement: &ParsedStatement, moment: &Moment) -> Result<&Recorded, ErrorReport> {
        match self.recorded.get() {
            Some(recorded) => Ok(recorded),
            None => {
                let recorded = Recorded::of(&self.governed, statement, moment)?;
                Ok(self.recorded.get_or_init(|| recorded))
            }
        }
    }

    /// What was last told of its result.
    pub(super) fn told(&self) -> Option<Arc<Told>> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn tell(&self, told: Arc<Told>) {
        *self.told.lock().unwrap_or_else(PoisonError::into_inner) = Some(told);
    }
}

/// What a statement is known by.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Key {
    /// The address of a template that the kept statement holds.
    template: usize,
    /// The constants themselves, where they could not be lifted.
    constants: Option<Arc<[Constant]>>,
    /// The types of the client's parameters; 0: left to the source.
    types: Box<[u32]>,
    asking: Arc<[u8]>,
}

impl Key {
    /// The key under which a statement is kept whatever its constants are.
    pub(super) fn of(
        templated: &Templated,
        types: &[Option<Type>],
        context: &StatementContext,
        moment: &Moment,
        kind: &'static str,
    ) -> Self {
        let circumstances = Circumstances {
            principal: &moment.principal,
            workspace: &moment.workspace,
            kind,
            environment: &context.environment,
            purpose: context.purpose.as_deref(),
            approvals: &[],
        };
        let mut asking = circumstances.key();
        for schema in &context.search_path {
            asking.extend_from_slice(&(schema.len() as u64).to_le_bytes());
            asking.extend_from_slice(schema.as_bytes());
        }
        Self {
            template: Arc::as_ptr(templated.template()).addr(),
            constants: None,
            types: types.iter().map(|given| given.as_ref().map_or(0, Type::oid)).collect(),
            asking: asking.into(),
        }
    }

    /// The key under which it is kept with its constants.
    pub(super) fn exact(self, templated: &Templated) -> Self {
        Self { constants: Some(Arc::clone(templated.constants())), ..self }
    }

    fn bytes(&self) -> usize {
        let constants: usize = self.constants.iter().flat_map(|of| of.iter()).map(|of| of.value().len() + 40).sum();
        let bytes = self.asking.len() + self.types.len() * 4 + constants;
        bytes.saturating_mul(BYTES_FOR_ONE)
    }
}

/// The statements that are ready under one version of catalog and policies.
#[derive(Debug)]
pub struct ReadyStatements(Cache<Key, Arc<Ready>, RandomState>);

impl Default for ReadyStatements {
    fn default() -> Self {
        let weigh = |key: &Key, ready: &Arc<Ready>| {
            u32::try_from(key.bytes().saturating_add(ready.bytes())).unwrap_or(u32::MAX)
        };
        let builder = Cache::builder().eviction_policy(EvictionPolicy::lru()).max_capacity(MOST_BYTES);
        Self(builder.weigher(weigh).build_with_hasher(RandomState::new()))
    }
}

impl ReadyStatements {
    /// What is kept for a statement, if it still holds.
    pub(super) fn get(&self, key: &Key, moment: &Moment) -> Option<Arc<Ready>> {
        let ready = self.0.get(key)?;
        let holds = ready.second.is_none() || ready.second == moment.serving.policies.second(moment.now_ns());
        holds.then_some(ready)
    }

    /// Keeps a statement for the next one of its kind.
    pub(super) fn keep(&self, key: Key, template: &Arc<Template>, mut ready: Ready) -> Arc<Ready> {
        ready.template = Some(Arc::clone(template));
        let ready = Arc::new(ready);
        self.0.insert(key, Arc::clone(&ready));
        ready
    }
}

/// The type that PostgreSQL gives a constant of a kind.
pub(super) fn type_of(kind: ConstantKind) -> Type {
    match kind {
        ConstantKind::Integer => Type::INT4,
        ConstantKind::BigInteger => Type::INT8,
        ConstantKind::Decimal => Type::NUMERIC,
        ConstantKind::Text => Type::UNKNOWN,
    }
}
