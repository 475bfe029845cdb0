//! What was typed after `tidegate watch`.

use clap::{Args, ValueEnum};

use super::{LearnedArgs, SourceArgs, TellArgs};
use crate::duration;

#[derive(Debug, Args)]
pub(crate) struct WatchArgs {
    #[command(flatten)]
    pub(crate) source: SourceArgs,
    #[command(flatten)]
    pub(crate) learned: LearnedArgs,
    /// Save here, in a folder or under `s3://BUCKET/PREFIX`, how far it came, and go on from there.
    #[arg(long, value_name = "DIR|URL")]
    pub(crate) state: Option<String>,
    /// How often to save the state; findings are saved and told within seconds.
    #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = duration::seconds)]
    pub(crate) save_every: i64,
    /// Close the last windows when it is told to stop, although --state could carry them on.
    #[arg(long, requires = "state", value_name = "")]
    pub(crate) r#final: bool,
    /// Where to begin when no state says where the last run stopped: trim-horizon, latest, or a time.
    #[arg(long, value_name = "WHERE", default_value = "latest")]
    pub(crate) start: String,
    /// Have a Kinesis stream sent to this registered consumer (enhanced fan-out) instead of asking for
    /// records. It is registered if there is none, and stays: AWS bills it by the hour until `aws
    /// kinesis deregister-stream-consumer`.
    #[arg(long, value_name = "CONSUMER")]
    pub(crate) fan_out: Option<String>,
    /// An input that brings nothing for so long, and has nothing waiting, holds no window open.
    #[arg(long, value_name = "DURATION", default_value = "5m", value_parser = duration::seconds)]
    pub(crate) idle: i64,
    /// Where to answer /metrics, /healthz and /readyz; `off` opens no port.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:9090")]
    pub(crate) listen: String,
    /// How to write what happens to standard error.
    #[arg(long, value_enum, default_value_t = LogForm::Text)]
    pub(crate) log: LogForm,
    #[command(flatten)]
    pub(crate) tell: TellArgs,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogForm {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}
