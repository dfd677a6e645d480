//! Running a plan: on the engine's threads, with back-pressure, until its rows are no longer wanted.

use super::DataFusionEngine;
use super::error::EngineError;
use super::plan::PlannedStatement;
use arrow::record_batch::RecordBatch;
use datafusion::physical_plan::execute_stream;
use futures::{Stream, StreamExt};
use tokio::task::JoinSet;

/// Batches that may wait for a slow reader.
const BATCHES_IN_FLIGHT: usize = 2;

impl DataFusionEngine {
    /// Runs a planned statement. Dropping the stream stops the work.
    ///
    /// # Errors
    /// [`EngineError`]; later ones come as the last item of the stream.
    pub fn run(
        &self,
        planned: PlannedStatement,
    ) -> Result<impl Stream<Item = Result<RecordBatch, EngineError>> + Send + use<>, EngineError> {
        let threads = self.threads().ok_or(EngineError::TaskEnded)?;
        let (send, receive) = tokio::sync::mpsc::channel(BATCHES_IN_FLIGHT);
        // Dropping the set stops the task.
        let mut task = JoinSet::new();
        let producer = async move {
            let mut rows = match execute_stream(planned.physical, planned.state.task_ctx()) {
                Ok(rows) => rows,
                Err(error) => {
                    // The reader may be gone; then nobody needs to know.
                    let _ = send.send(Err(EngineError::from(error))).await;
                    return;
                }
            };
            while let Some(batch) = rows.next().await {
                let last = batch.is_err();
                if send.send(batch.map(Some).map_err(EngineError::from)).await.is_err() || last {
                    return;
                }
            }
            drop(rows);
            let _ = send.send(Ok(None)).await;
        };
        task.spawn_on(producer, threads);
        let state = Some((receive, task));
        Ok(futures::stream::unfold(state, next))
    }

    /// Runs something on the engine's threads, such as planning. Dropping the future stops it at its next await.
    ///
    /// # Errors
    /// [`EngineError::TaskEnded`] if it panicked or the engine is shutting down.
    pub async fn on_threads<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, EngineError>> + Send + 'static,
    ) -> Result<T, EngineError> {
        let threads = self.threads().ok_or(EngineError::TaskEnded)?;
        let mut task = JoinSet::new();
        task.spawn_on(work, threads);
        match task.join_next().await {
            Some(Ok(result)) => result,
            None => Err(EngineError::TaskEnded),
            Some(Err(error)) => {
                tracing::error!(panicked = error.is_panic(), "an engine task ended");
                Err(EngineError::TaskEnded)
            }
        }
    }
}

type Receiving = (tokio::sync::mpsc::Receiver<Result<Option<RecordBatch>, EngineError>>, JoinSet<()>);

/// The next batch, and what is left to receive. A channel that closes before the end was said means that the task
/// panicked: that is an error, never a short result.
async fn next(state: Option<Receiving>) -> Option<(Result<RecordBatch, EngineError>, Option<Receiving>)> {
    let (mut receive, task) = state?;
    match receive.recv().await {
        Some(Ok(Some(batch))) => Some((Ok(batch), Some((receive, task)))),
        Some(Ok(None)) => None,
        Some(Err(error)) => Some((Err(error), None)),
        None => Some((Err(EngineError::TaskEnded), None)),
    }
}
