//! `tidegate watch`: judges a stream as it comes, until it is told to stop.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use ::detect::JudgeOptions;
use ::detect::snapshot::Snapshot;
use anyhow::{Context, Result, anyhow, bail};
use ingest::source::stream::{Positions, Stream};

use super::learn;
use crate::advice::Planning;
use crate::flags::{LogForm, WatchArgs};
use crate::pipeline::Tail;
use crate::plan::{self, Ground};
use crate::sources::Reach;
use crate::state::State;
use crate::watch::source::{self, Opened, Opening, Start};
use crate::watch::{
    Consumer, ConsumerOptions, FirstLook, Health, Inputs, Keep, Listener, Outlet, Stop, Watch,
};
use crate::{Ending, duration, output};

/// The port of `--listen` if it names none.
const PORT: u16 = 9090;

pub(crate) fn run(args: &WatchArgs) -> Result<Ending> {
    if args.log == LogForm::Json {
        output::log_json();
    }
    let [url] = args.source.sources.as_slice() else {
        bail!("watch reads one stream at a time; run one for each")
    };
    let opening = Opening { aws: &args.source.aws, fan_out: args.fan_out.as_deref() };
    let open = |start, positions: &Positions| source::open(url, opening, start, positions);
    let has_told = on_stream(args, &open, &Stop::on_signals()?)?;
    Ok(if has_told && args.tell.exit_code { Ending::Findings } else { Ending::Ran })
}

/// Watches what `open` opens; says whether findings were told.
pub(crate) fn on_stream(
    args: &WatchArgs,
    open: &dyn Fn(Start, &Positions) -> Result<Opened>,
    stop: &Stop,
) -> Result<bool> {
    let health = Arc::new(Health::new());
    let _listener = listen(args, &health)?;
    let mut outlet = Outlet::new(&args.tell)?;
    let ground = Ground::of(&args.source)?;
    let (mut keep, mut left) = open_state(args)?;
    let positions = left.as_mut().map(|left| std::mem::take(&mut left.run.positions));
    if let (Some(left), Some(keep)) = (&mut left, &mut keep) {
        outlet.take_up(std::mem::take(&mut left.run.told));
        tell_again(left, keep, &mut outlet)?;
    }
    let Opened { mut stream, reach } =
        open(start(&args.start, &ground)?, &positions.unwrap_or_default())?;
    let look = look(left.as_ref(), stream.as_mut(), &reach, &ground, &health, stop)?;
    if stop.is_asked() && left.is_none() && look.kept.deliveries.is_empty() {
        output::note("stopped before the first record came: there is nothing to save");
        return Ok(outlet.has_told);
    }
    let planning = outlet.planning().clone();
    let consumer = consumer(args, ground, left, &look, &planning)?;
    let tail = if keep.is_some() && !args.r#final { Tail::Keep } else { Tail::Close };
    let save_every = seconds(args.save_every);
    let keep = keep.as_mut().map(|keep| keep as &mut dyn Keep);
    let stream = stream.as_mut();
    let mut watch = Watch::new(consumer, stream, reach, keep, outlet, health, save_every);
    watch.run(&look.kept, stop, tail)?;
    let has_told = watch.outlet.has_told;
    if let (true, Some(path)) = (args.learned.update_baseline, &args.learned.baseline) {
        learn::save(path, &watch.into_baseline())?;
    }
    Ok(has_told)
}

fn seconds(secs: i64) -> Duration {
    Duration::from_secs(u64::try_from(secs).unwrap_or(0))
}

/// Opens the address for those who ask how it is.
fn listen(args: &WatchArgs, health: &Arc<Health>) -> Result<Option<Listener>> {
    if args.listen == "off" {
        return Ok(None);
    }
    let listener = Listener::open(address(&args.listen)?, Arc::clone(health))?;
    output::event(
        "listening: /metrics, /healthz, /readyz",
        &[("address", listener.address.to_string().into())],
    );
    Ok(Some(listener))
}

/// An address with a port, or one of the two.
fn address(text: &str) -> Result<SocketAddr> {
    let here = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let port = || text.trim_start_matches(':').parse().map(|port| SocketAddr::new(here, port));
    let whole = text.parse().or_else(|_| port());
    whole.or_else(|_| text.parse().map(|host| SocketAddr::new(host, PORT))).map_err(|_| {
        anyhow!("--listen `{text}`: write an address with a port, as in 127.0.0.1:9090, or `off`")
    })
}

/// Findings of an earlier run that may have reached nobody.
fn tell_again(left: &mut Snapshot, keep: &mut impl Keep, outlet: &mut Outlet<'_>) -> Result<()> {
    let undelivered = std::mem::take(&mut left.run.undelivered);
    if undelivered.is_empty() {
        return Ok(());
    }
    output::note(&format!("telling {} findings of the last run again", undelivered.len()));
    let told = outlet.sift(undelivered, left.run.closed_until.unwrap_or(i64::MIN));
    outlet.tell(&told)?;
    keep.delivered()
}

fn start(text: &str, ground: &Ground) -> Result<Start> {
    Ok(match text {
        "trim-horizon" => Start::TrimHorizon,
        "latest" => Start::Latest,
        time => Start::At(duration::time(time, &ground.zone).context("--start")?),
    })
}

/// The first records are looked at unless it is known what they are.
fn look(
    left: Option<&Snapshot>,
    stream: &mut dyn Stream,
    reach: &Reach,
    ground: &Ground,
    health: &Health,
    stop: &Stop,
) -> Result<FirstLook> {
    if left.is_some() || ground.interval_secs.is_some() {
        return Ok(FirstLook::default());
    }
    FirstLook::at(stream, reach, &ground.decode, health, stop)
}

fn consumer<'a>(
    args: &WatchArgs,
    ground: Ground,
    left: Option<Snapshot>,
    look: &FirstLook,
    planning: &'a Planning,
) -> Result<Consumer<'a>> {
    let source = &args.source;
    let known = match (&left, &args.learned.baseline) {
        (None, Some(path)) => learn::read(path)?,
        _ => model::baseline::Baseline::default(),
    };
    let interval_secs = match &left {
        Some(left) => ground.interval_secs.unwrap_or(left.run.interval_secs),
        None => plan::interval(ground.interval_secs, &look.survey, known.learned.interval_secs)?,
    };
    if left.is_none() {
        look.survey.report(
            interval_secs,
            ground.interval_secs.is_some(),
            ground.directory.has_ip_ranges(),
        );
    }
    let fold = ground.fold(interval_secs);
    let judge = JudgeOptions {
        zone: ground.zone,
        window_secs: fold.window_secs,
        interval_secs,
        warmup_secs: args.learned.warmup,
        budget: args.tell.budget,
        blind: BTreeSet::new(),
        accepted: planning.suppressions.clone(),
    };
    let declared = look.survey.declared;
    let options = ConsumerOptions { judge, fold, decode: ground.decode, planning, declared };
    let inputs = Inputs::new(seconds(args.idle), source.lateness);
    match left {
        Some(left) => Consumer::resume(options, inputs, ground.directory, left),
        None => Ok(Consumer::new(options, inputs, ground.directory, known)),
    }
}

fn open_state(args: &WatchArgs) -> Result<(Option<State>, Option<Snapshot>)> {
    let Some(at) = &args.state else { return Ok((None, None)) };
    let (state, left) = State::open(at, &args.source.aws)?;
    if left.is_some() {
        output::note(&format!("going on from generation {} of the state", state.generation()));
    }
    Ok((Some(state), left))
}

impl Keep for State {
    fn commit(&mut self, snapshot: Snapshot) -> Result<()> {
        Self::commit(self, snapshot)
    }

    fn delivered(&mut self) -> Result<()> {
        Self::delivered(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_may_be_a_port_alone() {
        let read = |text: &str| address(text).map(|address| address.to_string()).ok();
        assert_eq!(read("127.0.0.1:9090").as_deref(), Some("127.0.0.1:9090"));
        assert_eq!(read(":9100").as_deref(), Some("127.0.0.1:9100"));
        assert_eq!(read("9100").as_deref(), Some("127.0.0.1:9100"));
        assert_eq!(read("0.0.0.0").as_deref(), Some("0.0.0.0:9090"));
        assert_eq!(read("localhost:x"), None);
    }
}
