//! The table `activity`: the conversations of each window, as the one fold settles them.

use std::sync::Arc;

use anyhow::{Result, bail};
use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::catalog::streaming::StreamingTable;
use datafusion::error::{DataFusionError, Result as QueryResult};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_plan::stream::RecordBatchReceiverStream;
use datafusion::physical_plan::streaming::PartitionStream;
use model::activity::{Activity, Conversation, Endpoint, Vantage};
use model::baseline::Baseline;
use model::identity::{Directory, Party, Workload};
use tokio::sync::mpsc::Sender;

use super::ledger::Readings;
use super::record::{self, Columns, Value};
use crate::closing::Windows;
use crate::flags::QueryArgs;
use crate::plan::ReadPlan;

/// The table's name.
pub(super) const TABLE: &str = "activity";

/// Rows of a batch.
const BATCH_ROWS: usize = 8192;

/// Batches that wait.
const BATCHES_WAITING: usize = 2;

/// One conversation of one window.
pub(super) struct Row<'a> {
    activity: &'a Activity,
    conversation: &'a Conversation,
}

/// Folds all sources, each time it is asked.
#[derive(Clone)]
pub(super) struct ActivityStream {
    schema: SchemaRef,
    args: Arc<QueryArgs>,
    known: Option<Arc<Baseline>>,
    readings: Arc<Readings>,
}

impl std::fmt::Debug for ActivityStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ActivityStream").finish_non_exhaustive()
    }
}

impl ActivityStream {
    /// Nothing is read yet.
    pub(super) fn new(
        args: Arc<QueryArgs>,
        known: Option<Arc<Baseline>>,
        readings: Arc<Readings>,
    ) -> Self {
        Self { schema: record::schema(&columns()), args, known, readings }
    }

    /// The table that reads it.
    pub(super) fn into_table(self) -> QueryResult<StreamingTable> {
        StreamingTable::try_new(Arc::clone(&self.schema), vec![Arc::new(self)])
    }

    fn fold(&self, sender: &Sender<QueryResult<RecordBatch>>) -> QueryResult<()> {
        let mut told = Told { known: self.known.as_deref(), sender, is_heard: true };
        let folded = self.fold_into(&mut told);
        match folded {
            Err(_) if !told.is_heard => self.readings.folded(None),
            Err(error) => return Err(DataFusionError::External(error.into())),
            Ok(outcome) => self.readings.folded(Some(&outcome)),
        }
        Ok(())
    }

    fn fold_into(&self, told: &mut Told<'_>) -> Result<crate::pipeline::Outcome> {
        let interval = self.known.as_ref().and_then(|known| known.learned.interval_secs);
        ReadPlan::of(&self.args.source, interval)?.read_whole(told)
    }
}

impl PartitionStream for ActivityStream {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _: Arc<TaskContext>) -> SendableRecordBatchStream {
        let schema = Arc::clone(&self.schema);
        let mut stream = RecordBatchReceiverStream::builder(schema, BATCHES_WAITING);
        let (fold, sender) = (self.clone(), stream.tx());
        stream.spawn_blocking(move || fold.fold(&sender));
        stream.build()
    }
}

/// Tells windows to the query as they close.
struct Told<'a> {
    known: Option<&'a Baseline>,
    sender: &'a Sender<QueryResult<RecordBatch>>,
    is_heard: bool,
}

impl Windows for Told<'_> {
    fn serves(&self, party: &Party, port: u16, protocol: u8) -> bool {
        self.known.is_some_and(|known| known.serves(party, port, protocol))
    }

    fn take(&mut self, activity: &Activity, _: &Directory) -> Result<()> {
        let columns = columns();
        for conversations in activity.conversations.chunks(BATCH_ROWS) {
            let rows: Vec<Row<'_>> =
                conversations.iter().map(|conversation| Row { activity, conversation }).collect();
            let batch = record::batch(&columns, &rows)?;
            self.is_heard = self.sender.blocking_send(Ok(batch)).is_ok();
            if !self.is_heard {
                bail!("nobody listens any more");
            }
        }
        Ok(())
    }
}

fn name(party: &Party) -> String {
    match party {
        Party::Workload(workload) => workload.service.to_string(),
        Party::Outside(outside) => outside.to_string(),
    }
}

fn of_workload(end: &Endpoint, part: fn(&Workload) -> Option<&str>) -> Option<String> {
    let text = part(end.workload()?)?;
    (!text.is_empty()).then(|| text.to_owned())
}

/// What security groups and network ACLs said.
fn verdict(conversation: &Conversation) -> &'static str {
    if conversation.rejected() == 0 {
        "accept"
    } else if conversation.is_established() || conversation.rejected() < conversation.attempts {
        "mixed"
    } else {
        "reject"
    }
}

fn vantage(vantage: Vantage) -> &'static str {
    match vantage {
        Vantage::Between => "between",
        Vantage::Server => "server",
        Vantage::Client => "client",
    }
}

fn columns<'a>() -> Columns<Row<'a>> {
    let mut columns: Columns<Row<'a>> = vec![
        ("window_start", Value::Time(|r| Some(r.activity.start))),
        ("window_end", Value::Time(|r| Some(r.activity.end()))),
    ];
    columns.extend(ends());
    columns.extend(counts());
    columns
}

fn ends<'a>() -> Columns<Row<'a>> {
    fn client<'r>(row: &'r Row<'_>) -> &'r Endpoint {
        &row.conversation.client
    }
    fn server<'r>(row: &'r Row<'_>) -> &'r Endpoint {
        &row.conversation.server
    }
    vec![
        ("client", Value::Text(|r| Some(name(&client(r).party)))),
        ("client_address", Value::Text(|r| Some(client(r).address.to_string()))),
        ("client_inside", Value::Flag(|r| Some(client(r).workload().is_some()))),
        ("client_account", Value::Text(|r| of_workload(client(r), |w| Some(&w.account)))),
        ("client_vpc", Value::Text(|r| of_workload(client(r), |w| Some(&w.vpc)))),
        ("client_eni", Value::Text(|r| of_workload(client(r), |w| w.eni.as_deref()))),
        ("client_instance", Value::Text(|r| of_workload(client(r), |w| w.instance.as_deref()))),
        ("server", Value::Text(|r| Some(name(&server(r).party)))),
        ("server_address", Value::Text(|r| Some(server(r).address.to_string()))),
        ("server_inside", Value::Flag(|r| Some(server(r).workload().is_some()))),
        ("server_account", Value::Text(|r| of_workload(server(r), |w| Some(&w.account)))),
        ("server_vpc", Value::Text(|r| of_workload(server(r), |w| Some(&w.vpc)))),
        ("server_eni", Value::Text(|r| of_workload(server(r), |w| w.eni.as_deref()))),
        ("server_instance", Value::Text(|r| of_workload(server(r), |w| w.instance.as_deref()))),
        ("port", Value::Count(|r| Some(r.conversation.port.into()))),
        ("protocol", Value::Count(|r| Some(r.conversation.protocol.into()))),
    ]
}

fn counts<'a>() -> Columns<Row<'a>> {
    vec![
        ("verdict", Value::Text(|r| Some(verdict(r.conversation).to_owned()))),
        ("attempts", Value::Count(|r| Some(r.conversation.attempts))),
        ("answered", Value::Count(|r| Some(r.conversation.answered))),
        ("continued", Value::Count(|r| Some(r.conversation.continued))),
        ("rejected_at_client", Value::Count(|r| Some(r.conversation.rejected_at_client))),
        ("rejected_at_server", Value::Count(|r| Some(r.conversation.rejected_at_server))),
        ("records_out", Value::Count(|r| Some(r.conversation.records_out))),
        ("packets_out", Value::Count(|r| Some(r.conversation.packets_out))),
        ("bytes_out", Value::Count(|r| Some(r.conversation.bytes_out))),
        ("packets_in", Value::Count(|r| Some(r.conversation.packets_in))),
        ("bytes_in", Value::Count(|r| Some(r.conversation.bytes_in))),
        ("first_seen", Value::Time(|r| Some(r.conversation.first))),
        ("last_seen", Value::Time(|r| Some(r.conversation.last))),
        ("orientation", Value::Text(|r| Some(r.conversation.orientation.name().to_owned()))),
        ("vantage", Value::Text(|r| Some(vantage(r.conversation.vantage).to_owned()))),
        ("incomplete", Value::Flag(|r| Some(r.conversation.incomplete))),
    ]
}
