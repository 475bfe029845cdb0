//! Measures decoding against inflating alone: `cargo run --release -p ingest --example decode_speed FOLDER [ROUNDS [FIELD…]]`.
//!
//! Prints records per second, megabytes per second, and the CPU time of gunzip and decode together
//! as a multiple of the CPU time of gunzip alone, over the gzip files of a folder. Only the fields
//! named are decoded, or all.

#![allow(clippy::print_stdout, reason = "an example's output is its purpose")]
#![allow(clippy::disallowed_methods, reason = "measuring needs a clock")]

use std::error::Error;
use std::fs::{self, File};
use std::io::{BufReader, Read};
use std::time::Instant;

use flate2::bufread::MultiGzDecoder;
use ingest::{DecodeOptions, Field, FieldSet, LogFile, find_files, read_file};

fn main() -> Result<(), Box<dyn Error>> {
    let source = std::env::args().nth(1).ok_or("usage: decode_speed FOLDER [ROUNDS [FIELD...]]")?;
    let rounds: u32 = std::env::args().nth(2).map_or(Ok(3), |text| text.parse())?;
    let options = DecodeOptions::of_columns(columns(std::env::args().skip(3))?);
    let files = find_files(&source)?;
    println!("{} files, {} MB compressed", files.len(), file_bytes(&files) >> 20);
    let mut best = [f64::INFINITY; 2];
    for _ in 0..rounds {
        let (inflate_secs, n_bytes) = timed(|| inflate_all(&files))?;
        let (decode_secs, n_records) = timed(|| decode_all(&files, &options))?;
        println!(
            "gunzip {inflate_secs:.3} s CPU ({:.0} MB/s) | gunzip and decode {decode_secs:.3} s CPU ({:.0} MB/s, {:.2} M records/s, {:.0} ns each) | ratio {:.2}",
            n_bytes as f64 / 1e6 / inflate_secs,
            n_bytes as f64 / 1e6 / decode_secs,
            n_records as f64 / 1e6 / decode_secs,
            decode_secs * 1e9 / n_records as f64,
            decode_secs / inflate_secs,
        );
        best = [best[0].min(inflate_secs), best[1].min(decode_secs)];
    }
    println!("best of {rounds}: ratio {:.2}", best[1] / best[0]);
    Ok(())
}

fn file_bytes(files: &[LogFile]) -> u64 {
    files.iter().map(|file| file.bytes).sum()
}

fn inflate_all(files: &[LogFile]) -> Result<u64, Box<dyn Error>> {
    let mut block = vec![0; 256 << 10];
    let mut n_bytes = 0;
    for file in files {
        let input = BufReader::with_capacity(64 << 10, File::open(file.place.name())?);
        let mut gunzip = MultiGzDecoder::new(input);
        loop {
            match gunzip.read(&mut block)? {
                0 => break,
                n_read => n_bytes += n_read as u64,
            }
        }
    }
    Ok(n_bytes)
}

fn columns(names: impl Iterator<Item = String>) -> Result<FieldSet, Box<dyn Error>> {
    let named = |name: String| Field::from_name(&name).ok_or(format!("no field `{name}`"));
    let fields = names.map(named).collect::<Result<FieldSet, _>>()?;
    Ok(if fields.is_empty() { FieldSet::all() } else { fields })
}

fn decode_all(files: &[LogFile], options: &DecodeOptions) -> Result<u64, Box<dyn Error>> {
    let mut n_records = 0;
    for file in files {
        let outcome = read_file(file, options, &mut |batch| n_records += batch.n_records() as u64);
        outcome.error.map_or(Ok(()), Err)?;
    }
    Ok(n_records)
}

fn timed<T>(work: impl FnOnce() -> Result<T, Box<dyn Error>>) -> Result<(f64, T), Box<dyn Error>> {
    let clock = Instant::now();
    let before = cpu_secs();
    let value = work()?;
    let wall_secs = clock.elapsed().as_secs_f64();
    let secs = cpu_secs().zip(before).map_or(wall_secs, |(after, before)| after - before);
    Ok((secs, value))
}

/// CPU time of this thread where the system tells it, so that other work on the machine does not count.
fn cpu_secs() -> Option<f64> {
    let text = fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    let nanos: u64 = text.split(' ').next()?.parse().ok()?;
    Some(nanos as f64 / 1e9)
}
