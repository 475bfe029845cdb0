//! Generates a dataset from the command line:
//! `cargo run --release -p datasets --example generate -- SCENARIO DIR [KEY=VALUE…]`.
//!
//! Keys: `topology`, `seed`, `services`, `days`, `records`, `interval`, `start`, `format` (v2 or v5).
#![allow(clippy::print_stdout)]

use std::error::Error;
use std::path::Path;

use datasets::{Format, Options, scenarios, topologies, write};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(scenario), Some(dir)) = (arguments.next(), arguments.next()) else {
        println!(
            "usage: generate SCENARIO DIR [seed=N services=N days=N records=N interval=60|600]"
        );
        for scenario in scenarios() {
            println!("  {:22} {}", scenario.name, scenario.description);
        }
        for topology in topologies() {
            println!("  topology={:13} {}", topology.name, topology.description);
        }
        return Ok(());
    };
    let mut options = Options::new(&scenario);
    for argument in arguments {
        set(&mut options, &argument)?;
    }
    println!("{:#?}", write(Path::new(&dir), &options)?);
    Ok(())
}

fn set(options: &mut Options, argument: &str) -> Result<(), Box<dyn Error>> {
    let (key, value) = argument.split_once('=').ok_or("expected KEY=VALUE")?;
    match key {
        "topology" => value.clone_into(&mut options.topology),
        "seed" => options.seed = value.parse()?,
        "services" => options.services = value.parse()?,
        "days" => options.days = value.parse()?,
        "records" => options.records = Some(value.parse()?),
        "interval" => options.interval_secs = value.parse()?,
        "start" => options.start = value.parse()?,
        "format" => options.format = if value == "v2" { Format::V2 } else { Format::V5 },
        _ => return Err(format!("unknown key {key}").into()),
    }
    Ok(())
}
