//! SQL over flow logs, conversations, baselines and findings: all DataFusion code there is.
//!
//! Nothing here aggregates records into activity: the table of that name is what the one fold gives.

mod activity;
mod baseline;
mod cell;
mod columns;
mod csv;
mod findings;
mod flows;
mod functions;
mod ledger;
mod problem;
mod prune;
mod record;
mod rows;
mod table;

use std::io::Write;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use datafusion::arrow::array::RecordBatch;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::execution::context::SQLOptions;
use datafusion::execution::memory_pool::FairSpillPool;
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::prelude::{SessionConfig, SessionContext};
use tokio::runtime::Runtime;

use crate::commands::{explain, learn};
use crate::flags::{QueryArgs, RowFormat};
use crate::{Ending, output, plan};

use activity::ActivityStream;
use flows::Flows;
use ledger::Readings;

/// What a query may hold in memory; sorts and groups beyond it go to temporary files.
const MEMORY_BYTES_MAX: usize = 1 << 30;

/// Rows of a table for people, if they do not say.
const TABLE_ROWS_MAX: usize = 1000;

/// Answers one query.
pub(crate) fn run(args: &QueryArgs) -> Result<Ending> {
    let args = Arc::new(args.clone());
    let readings = Arc::new(Readings::default());
    let session = session(&args, &readings)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_time().build()?;
    let answered = answer(&args, &session, &runtime);
    // Files that nobody waits for any more are not read to their end.
    runtime.shutdown_background();
    readings.report();
    answered?;
    Ok(if readings.is_whole() { Ending::Ran } else { Ending::Incomplete })
}

/// The tables and functions there are.
fn session(args: &Arc<QueryArgs>, readings: &Arc<Readings>) -> Result<SessionContext> {
    let config = SessionConfig::new().with_information_schema(true);
    let pool = Arc::new(FairSpillPool::new(MEMORY_BYTES_MAX));
    let memory = RuntimeEnvBuilder::new().with_memory_pool(pool);
    let session = SessionContext::new_with_config_rt(config, memory.build_arc()?);
    let zone = plan::zone(&args.source)?;
    functions::register(&session, plan::directory(&args.source, &zone)?);
    let known = args.baseline.as_deref().map(learn::read).transpose()?.map(Arc::new);
    if let Some(known) = &known {
        baseline::register(&session, known)?;
    }
    if let Some(path) = &args.findings {
        findings::register(&session, &explain::read(path)?)?;
    }
    if !args.source.sources.is_empty() {
        let flows = Flows::of(&args.source, &zone, Arc::clone(readings))?;
        session.register_table(flows::TABLE, Arc::new(flows))?;
        let stream = ActivityStream::new(Arc::clone(args), known, Arc::clone(readings));
        session.register_table(activity::TABLE, Arc::new(stream.into_table()?))?;
    } else if args.baseline.is_none() && args.findings.is_none() {
        bail!("nothing to ask: give SOURCE…, --baseline or --findings");
    }
    Ok(session)
}

fn answer(args: &QueryArgs, session: &SessionContext, runtime: &Runtime) -> Result<()> {
    let mut rows = runtime.block_on(begin(args, session))?;
    if let Some(path) = &args.out {
        return output::write_file(path, |file| write(args, runtime, &mut rows, file));
    }
    let mut stdout = output::stdout();
    write(args, runtime, &mut rows, &mut stdout)?;
    stdout.flush().context("cannot write to standard output")
}

/// Plans the query, and begins to answer it. It may look at things, not change them.
async fn begin(args: &QueryArgs, session: &SessionContext) -> Result<SendableRecordBatchStream> {
    let looks =
        SQLOptions::new().with_allow_ddl(false).with_allow_dml(false).with_allow_statements(false);
    let planned = session.sql_with_options(&args.sql, looks).await;
    let frame = match planned {
        Ok(frame) => frame,
        Err(error) => return Err(problem::explained(&error, session, args).await),
    };
    frame.execute_stream().await.map_err(|error| problem::plain(&error))
}

fn write(
    args: &QueryArgs,
    runtime: &Runtime,
    rows: &mut SendableRecordBatchStream,
    out: &mut dyn Write,
) -> Result<()> {
    let schema = rows.schema();
    let mut next = || -> Result<Option<RecordBatch>> {
        let next = std::future::poll_fn(|task| rows.as_mut().poll_next(task));
        runtime.block_on(next).transpose().map_err(|error| problem::plain(&error))
    };
    let given = args.max_rows.unwrap_or(usize::MAX);
    match args.output {
        RowFormat::Table => {
            let rows_max = args.max_rows.unwrap_or(TABLE_ROWS_MAX);
            table::write(&schema, &mut rows::limited(&mut next, rows_max), out)
        }
        RowFormat::Csv => csv::write(&schema, &mut rows::limited(&mut next, given), out),
        RowFormat::Json => rows::write_json(&mut rows::limited(&mut next, given), out),
        RowFormat::Parquet => {
            rows::write_parquet(&schema, &mut rows::limited(&mut next, given), out)
        }
    }
}
