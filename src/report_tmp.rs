//! Temporary.
use detect::Finding;
use std::io::{self, Write};
pub(crate) fn write_json_lines(findings: &[Finding], out: &mut dyn Write) -> io::Result<()> {
    for f in findings {
        serde_json::to_writer(&mut *out, f)?;
        writeln!(out)?;
    }
    Ok(())
}
pub(crate) fn write_text(findings: &[Finding], top: usize, out: &mut dyn Write) -> io::Result<()> {
    for f in findings.iter().take(top) {
        writeln!(out, "{:?} {} {} {}", f.severity, f.kind.name(), f.id, f.summary)?;
        for d in &f.deviations {
            writeln!(
                out,
                "     {:12} {} {:?} {:?}/{:?} {} obs {} exp {} p {} {}..{} {}",
                d.kind.name(),
                d.peer,
                d.peer_address,
                d.port,
                d.protocol,
                d.direction,
                d.observed,
                d.expected,
                d.p_value,
                d.first_seen,
                d.last_seen,
                serde_json::to_string(&d.evidence)?
            )?;
        }
    }
    Ok(())
}
