//! Text flow logs as Parquet, in the types AWS writes.

use std::fs::{self, File};
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use arrow_array::{ArrayRef, Int32Array, Int64Array, RecordBatch, StringArray};
use flate2::read::MultiGzDecoder;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, GzipLevel};
use parquet::file::properties::WriterProperties;

/// Writes each text log of a list into a folder again, as Parquet of the same name.
pub(crate) fn convert(files: &[impl AsRef<Path>], folder: &Path) {
    for file in files {
        let file = file.as_ref();
        let name = file.file_name().unwrap().to_str().unwrap();
        let name = name.strip_suffix(".gz").unwrap();
        write(&text_of(file), &folder.join(format!("{name}.parquet")));
    }
}

pub(crate) fn text_of(file: &Path) -> String {
    let mut text = String::new();
    MultiGzDecoder::new(File::open(file).unwrap()).read_to_string(&mut text).unwrap();
    text
}

fn write(text: &str, target: &Path) {
    let mut lines = text.lines();
    let names: Vec<String> =
        lines.next().unwrap().split(' ').map(|name| name.replace('-', "_")).collect();
    let rows: Vec<Vec<&str>> = lines.map(|line| line.split(' ').collect()).collect();
    let columns = names.iter().enumerate().map(|(at, name)| {
        let values = rows.iter().map(|row| Some(row[at]).filter(|value| *value != "-"));
        (name, column(name, values), true)
    });
    let batch = RecordBatch::try_from_iter_with_nullable(columns).unwrap();
    let properties = WriterProperties::builder()
        .set_compression(Compression::GZIP(GzipLevel::default()))
        .build();
    fs::create_dir_all(target.parent().unwrap()).unwrap();
    let mut writer =
        ArrowWriter::try_new(File::create(target).unwrap(), batch.schema(), Some(properties))
            .unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
}

fn column<'a>(name: &str, values: impl Iterator<Item = Option<&'a str>>) -> ArrayRef {
    match name {
        "version" | "srcport" | "dstport" | "protocol" | "tcp_flags" | "traffic_path" => {
            Arc::new(values.map(|value| value?.parse::<i32>().ok()).collect::<Int32Array>())
        }
        "packets" | "bytes" | "start" | "end" => {
            Arc::new(values.map(|value| value?.parse::<i64>().ok()).collect::<Int64Array>())
        }
        _ => Arc::new(values.collect::<StringArray>()),
    }
}
