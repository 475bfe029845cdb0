//! The columns of `flows`: the fields of the log, and what the name of the file says.

use std::collections::HashMap;
use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, Int64Array, RecordBatch, RecordBatchOptions, StringViewArray,
    StringViewBuilder, new_null_array,
};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Field as ArrowField, Schema, SchemaRef};
use datafusion::arrow::error::ArrowError;
use ingest::{AddressColumn, Field, FieldSet, FlowBatch, Kind, Origin};
use model::identity::Address;

use super::record::time_type;

/// One column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Column {
    /// A field of the log.
    Field(Field),
    /// Something of the file's name.
    Name(Name),
}

/// What the name of a file says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Name {
    /// All of it.
    File,
    /// Its time.
    Time,
    /// The account whose flow log it is.
    Account,
    /// The region.
    Region,
    /// The flow log.
    FlowLog,
}

impl Name {
    const ALL: [Self; 5] = [Self::File, Self::Time, Self::Account, Self::Region, Self::FlowLog];

    fn column(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Time => "file_time",
            Self::Account => "file_account",
            Self::Region => "file_region",
            Self::FlowLog => "file_flow_log",
        }
    }

    fn text(self, origin: &Origin) -> Option<&str> {
        match self {
            Self::File => Some(&origin.name),
            Self::Time => None,
            Self::Account => origin.account.as_deref(),
            Self::Region => origin.region.as_deref(),
            Self::FlowLog => origin.flow_log_id.as_deref(),
        }
    }
}

impl Column {
    /// Every column, in the table's order.
    pub(super) fn all() -> impl Iterator<Item = Self> {
        let fields = Field::ALL.iter().copied().map(Self::Field);
        fields.chain(Name::ALL.into_iter().map(Self::Name))
    }

    /// The column of a name.
    pub(super) fn of(name: &str) -> Option<Self> {
        Self::all().find(|column| column.name() == name)
    }

    fn name(self) -> String {
        match self {
            Self::Field(field) => field.name().replace('-', "_"),
            Self::Name(name) => name.column().to_owned(),
        }
    }

    fn data_type(self) -> DataType {
        match self {
            Self::Field(field) => match field.kind() {
                Kind::Text | Kind::Address => DataType::Utf8View,
                Kind::Time => time_type(),
                kind @ (Kind::Small | Kind::Port | Kind::Count) => kind.data_type(),
            },
            Self::Name(Name::Time) => time_type(),
            Self::Name(_) => DataType::Utf8View,
        }
    }
}

/// The names and types of these columns.
pub(super) fn schema(columns: impl Iterator<Item = Column>) -> SchemaRef {
    let fields = columns.map(|column| ArrowField::new(column.name(), column.data_type(), true));
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

/// What is decoded for these columns. Times and status are always, so that what is rejected for them
/// does not depend on the query.
pub(super) fn decoded(columns: &[Column]) -> FieldSet {
    let fields = columns.iter().filter_map(|column| match column {
        Column::Field(field) => Some(*field),
        Column::Name(_) => None,
    });
    fields.chain([Field::Start, Field::End, Field::LogStatus]).collect()
}

/// Turns batches of one file into rows of these columns.
pub(super) struct Shaping<'a> {
    columns: &'a [Column],
    schema: SchemaRef,
    addresses: HashMap<[u8; 16], String>,
}

/// Addresses whose text is remembered.
const ADDRESSES_MAX: usize = 1 << 16;

impl<'a> Shaping<'a> {
    /// For one file.
    pub(super) fn new(columns: &'a [Column], schema: SchemaRef) -> Self {
        Self { columns, schema, addresses: HashMap::new() }
    }

    /// The rows of a batch.
    pub(super) fn rows(&mut self, batch: &FlowBatch) -> Result<RecordBatch, ArrowError> {
        let columns = self.columns;
        let arrays = columns.iter().map(|column| self.array(*column, batch));
        let arrays = arrays.collect::<Result<Vec<_>, _>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(batch.n_records()));
        RecordBatch::try_new_with_options(Arc::clone(&self.schema), arrays, &options)
    }

    fn array(&mut self, column: Column, batch: &FlowBatch) -> Result<ArrayRef, ArrowError> {
        let n = batch.n_records();
        let data_type = column.data_type();
        match column {
            Column::Name(Name::Time) => {
                let times = Int64Array::from(vec![batch.origin().time; n]);
                cast(&times, &data_type)
            }
            Column::Name(name) => {
                let text = name.text(batch.origin());
                // The text once, and as many views of it.
                let mut views = StringViewBuilder::with_capacity(n).with_deduplicate_strings();
                (0..n).for_each(|_| views.append_option(text));
                Ok(Arc::new(views.finish()))
            }
            Column::Field(field) => match (batch.address(field), raw(batch, field)) {
                (Some(addresses), _) => Ok(self.texts(&addresses, n)),
                (None, Some(array)) => cast(array, &data_type),
                (None, None) => Ok(new_null_array(&data_type, n)),
            },
        }
    }

    fn texts(&mut self, addresses: &AddressColumn<'_>, n: usize) -> ArrayRef {
        let known = &mut self.addresses;
        if known.len() > ADDRESSES_MAX {
            known.clear();
        }
        for row in 0..n {
            if let Some(octets) = addresses.get(row) {
                known.entry(octets).or_insert_with(|| Address::from(octets).to_string());
            }
        }
        let text = |row| addresses.get(row).and_then(|octets| known.get(&octets));
        Arc::new((0..n).map(text).collect::<StringViewArray>())
    }
}

fn raw(batch: &FlowBatch, field: Field) -> Option<&dyn Array> {
    batch.rows().column_by_name(field.name()).map(AsRef::as_ref)
}
