//! The proxy between a client of a few lines and a server of a few lines.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use super::fault::Request;
use super::http::{Framing, Head};
use super::{Effect, Fault, Proxy, date};

/// The server's answer to `/chunked`, after the head.
const CHUNKS: &[u8] = b"5\r\nhello\r\n6;x=y\r\n world\r\n0\r\nX-Trailer: t\r\n\r\n";
const UNTIL_CLOSE: &[u8] = b"until the end";

/// Answers with the request it got, its `Host` first, or in the way the path asks for.
fn server() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    thread::spawn(move || {
        for client in listener.incoming() {
            thread::spawn(move || serve(client.unwrap()));
        }
    });
    url
}

fn serve(mut client: TcpStream) {
    let mut from_client = BufReader::new(client.try_clone().unwrap());
    while let Ok(Some(head)) = Head::read(&mut from_client) {
        let mut body = Vec::new();
        Framing::of_request(&head).copy(&mut from_client, &mut body).unwrap();
        assert!(head.get("expect").is_none());
        let answer = match head.word(1) {
            "/chunked" => {
                [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", CHUNKS].concat()
            }
            "/close" => {
                client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").unwrap();
                client.write_all(UNTIL_CLOSE).unwrap();
                return;
            }
            "/hangs-up" => {
                client.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").unwrap();
                return;
            }
            _ => {
                let mut echo = format!("{} ", head.get("host").unwrap()).into_bytes();
                echo.extend(head.to_bytes());
                echo.extend(body);
                let mut answer = Head::new("HTTP/1.1 200 OK");
                answer.set("x-amz-checksum-crc32", "AAAAAA==");
                answer.set("Date", &date::to_http(0));
                answer.set("Content-Length", &echo.len().to_string());
                let echo = if head.word(0) == "HEAD" { Vec::new() } else { echo };
                [answer.to_bytes(), echo].concat()
            }
        };
        client.write_all(&answer).unwrap();
    }
}

/// A client's connection to a proxy.
struct Client {
    stream: TcpStream,
    reader: BufReader<TcpStream>,
}

/// An answer, its body as on the wire; whether all of it came.
struct Answer {
    head: Head,
    body: Vec<u8>,
    is_whole: bool,
}

impl Answer {
    fn status(&self) -> &str {
        self.head.word(1)
    }

    fn text(&self) -> &str {
        str::from_utf8(&self.body).unwrap()
    }
}

impl Client {
    fn new(proxy: &Proxy) -> Self {
        let url = proxy.url();
        let stream = TcpStream::connect(url.strip_prefix("http://").unwrap()).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        let reader = BufReader::new(stream.try_clone().unwrap());
        Self { stream, reader }
    }

    /// `None` when the connection closed without an answer.
    fn send(&mut self, request: &[u8]) -> Option<Answer> {
        self.stream.write_all(request).ok()?;
        let head = Head::read(&mut self.reader).ok()??;
        let method = str::from_utf8(request).unwrap().split(' ').next().unwrap();
        let mut body = Vec::new();
        let framing = Framing::of_answer(method, &head);
        let is_whole = framing.copy(&mut self.reader, &mut body).is_ok();
        Some(Answer { head, body, is_whole })
    }

    fn get(&mut self, path: &str) -> Option<Answer> {
        self.send(format!("GET {path} HTTP/1.1\r\nHost: me\r\n\r\n").as_bytes())
    }

    fn call(&mut self, target: &str, body: &str) -> Option<Answer> {
        let len = body.len();
        let head = format!("x-amz-target: {target}\r\nContent-Length: {len}\r\n");
        self.send(format!("POST / HTTP/1.1\r\nHost: me\r\n{head}\r\n{body}").as_bytes())
    }
}

/// The statuses of so many requests for these paths, in turn, over connections of their own.
fn statuses(proxy: &Proxy, paths: &[&str], rounds: usize) -> Vec<String> {
    let mut statuses = Vec::new();
    for path in paths.iter().cycle().take(paths.len() * rounds) {
        let answer = Client::new(proxy).get(path);
        statuses.push(answer.map_or_else(|| "-".to_owned(), |answer| answer.status().to_owned()));
    }
    statuses
}

#[test]
fn what_it_leaves_alone_passes_as_it_is() {
    let upstream = server();
    let proxy = Proxy::start(&upstream, Vec::new());
    let mut client = Client::new(&proxy);
    let body = "3;chunk-signature=ab\r\nabc\r\n0;chunk-signature=cd\r\n\r\n";
    let fields = "Host: me\r\nContent-Encoding: aws-chunked\r\nX-Amz-Decoded-Content-Length: 3\r\n";
    let length = format!("Content-Length: {}\r\n", body.len());
    let put = format!("PUT /b/k?x=%2F HTTP/1.1\r\n{fields}{length}\r\n{body}");
    let answer = client.send(put.as_bytes()).unwrap();
    let host = upstream.trim_start_matches("http://").trim_end_matches('/');
    let head = put.replace("Host: me\r\n", "").replace(&format!("\r\n{body}"), "");
    assert_eq!(answer.text(), format!("{host} {head}host: {host}\r\n\r\n{body}"));
    // The same body in chunks, over the same connection.
    let put = format!("PUT /b/k HTTP/1.1\r\n{fields}Transfer-Encoding: chunked\r\n\r\n{body}");
    assert!(client.send(put.as_bytes()).unwrap().text().ends_with(body));
    assert_eq!(client.get("/chunked").unwrap().body, CHUNKS);
    assert_eq!(client.send(b"HEAD /h HTTP/1.1\r\n\r\n").unwrap().status(), "200");
    assert_eq!(client.get("/close").unwrap().body, UNTIL_CLOSE);
    assert_eq!((proxy.requests(), proxy.injected()), (5, 0));
    assert_eq!(proxy.requests_with("PUT /b/k"), 2);
    assert_eq!(proxy.lines()[2], "GET /chunked");
}

#[test]
fn a_client_that_waits_is_told_to_continue() {
    let proxy = Proxy::start(&server(), Vec::new());
    let mut client = Client::new(&proxy);
    let head = "PUT /k HTTP/1.1\r\nHost: me\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n";
    client.stream.write_all(head.as_bytes()).unwrap();
    let mut line = String::new();
    client.reader.read_line(&mut line).unwrap();
    client.reader.read_line(&mut line).unwrap();
    assert_eq!(line, "HTTP/1.1 100 Continue\r\n\r\n");
    assert!(client.send(b"body").unwrap().text().ends_with("\r\n\r\nbody"));
}

#[test]
fn a_server_that_hangs_up_between_requests_is_asked_again() {
    let proxy = Proxy::start(&server(), Vec::new());
    let mut client = Client::new(&proxy);
    for path in ["/hangs-up", "/hangs-up", "/a"] {
        assert_eq!(client.get(path).unwrap().status(), "200");
        thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn faults_strike_when_they_are_due() {
    let fail = Effect::Fail { status: 500 };
    let proxy = Proxy::start(&server(), vec![Fault::nth(3, fail.clone()).on_path("/a")]);
    assert_eq!(statuses(&proxy, &["/a", "/b"], 4).join(" "), "200 200 200 200 500 200 200 200");
    proxy.set_faults(vec![Fault::each_once(fail.clone())]);
    assert_eq!(statuses(&proxy, &["/a", "/b"], 2).join(" "), "500 500 200 200");
    assert_eq!(proxy.injected_by_fault(), [2]);
    proxy.set_faults(vec![Fault::lasting(Duration::from_millis(150), fail.clone())]);
    assert_eq!(statuses(&proxy, &["/a"], 2).join(" "), "500 500");
    thread::sleep(Duration::from_millis(200));
    assert_eq!(statuses(&proxy, &["/a"], 1), ["200"]);
    let gone = vec![Fault::deleted_object("/b"), Fault::always(Effect::Drop).on_method("DELETE")];
    proxy.set_faults(gone);
    assert_eq!(statuses(&proxy, &["/a", "/b"], 2).join(" "), "200 404 200 404");
    assert!(Client::new(&proxy).send(b"DELETE /a HTTP/1.1\r\n\r\n").is_none());
    assert_eq!(proxy.injected_by_fault(), [2, 1]);
}

#[test]
fn a_share_is_drawn_from_the_seed() {
    let fail = Effect::Fail { status: 500 };
    let run = |seed| {
        let proxy = Proxy::start(&server(), vec![Fault::share(0.3, seed, fail.clone())]);
        statuses(&proxy, &["/a", "/b", "/c", "/d"], 50)
    };
    let first = run(7);
    assert_eq!(first, run(7));
    assert_ne!(first, run(8));
    let failed = first.iter().filter(|status| *status == "500").count();
    assert!((30..=90).contains(&failed), "{failed} of 200");
}

#[test]
fn services_refuse_in_their_own_words() {
    let proxy = Proxy::start(&server(), vec![Fault::always(Effect::Throttle)]);
    let mut client = Client::new(&proxy);
    let answer = client.get("/b/k").unwrap();
    assert_eq!(answer.status(), "503");
    assert!(answer.text().contains("<Error><Code>SlowDown</Code>"), "{}", answer.text());
    let answer = client.call("Logs_20140328.FilterLogEvents", "{}").unwrap();
    assert_eq!(answer.status(), "400");
    assert!(answer.text().contains(r#""__type":"ThrottlingException""#), "{}", answer.text());
    let answer = client.call("Kinesis_20131202.GetRecords", "{}").unwrap();
    assert!(answer.text().contains("ProvisionedThroughputExceededException"));
    let answer = client.call("AmazonSQS.ReceiveMessage", "{}").unwrap();
    assert_eq!(answer.head.get("x-amzn-query-error"), Some("RequestThrottled;Sender"));
    let form = b"POST / HTTP/1.1\r\nContent-Type: application/x-www-form-urlencoded\r\n\r\n";
    assert!(client.send(form).unwrap().text().contains("<Code>Throttling</Code>"));
    let head = client.send(b"HEAD /b/k HTTP/1.1\r\n\r\n").unwrap();
    assert_eq!((head.status(), head.body.len()), ("503", 0));
    assert_eq!(proxy.injected(), 6);
}

#[test]
fn an_expired_iterator_stays_expired() {
    let proxy = Proxy::start(&server(), vec![Fault::expired_iterator()]);
    let mut client = Client::new(&proxy);
    let mut get = |iterator: &str| {
        let body = format!(r#"{{"ShardIterator":"{iterator}"}}"#);
        client.call("Kinesis_20131202.GetRecords", &body).unwrap().status().to_owned()
    };
    assert_eq!([get("a"), get("a"), get("b"), get("a")].join(" "), "400 400 200 400");
}

#[test]
fn bodies_are_cut_slowed_and_replaced() {
    let proxy = Proxy::start(&server(), vec![Fault::always(Effect::CutBody { after_bytes: 10 })]);
    let cut = Client::new(&proxy).get("/a").unwrap();
    assert_eq!((cut.status(), cut.body.len(), cut.is_whole), ("200", 10, false));
    let cut = Client::new(&proxy).get("/chunked").unwrap();
    assert_eq!((cut.body.as_slice(), cut.is_whole), (&CHUNKS[..10], false));
    proxy.set_faults(vec![Fault::always(Effect::SlowBody { bytes_per_sec: 200 })]);
    let (sender, receiver) = std::sync::mpsc::channel();
    let mut client = Client::new(&proxy);
    thread::spawn(move || sender.send(client.get("/a").unwrap().is_whole));
    let early = receiver.recv_timeout(Duration::from_millis(100));
    assert!(early.is_err(), "60 bytes at 200 a second take 300 ms");
    assert_eq!(receiver.recv_timeout(Duration::from_secs(5)), Ok(true));
    proxy.set_faults(vec![Fault::always(Effect::ReplaceBody(b"poison".to_vec()))]);
    let mut client = Client::new(&proxy);
    for path in ["/a", "/chunked", "/a"] {
        let answer = client.get(path).unwrap();
        assert_eq!((answer.text(), answer.is_whole), ("poison", true));
        assert_eq!(answer.head.get("x-amz-checksum-crc32"), None);
    }
}

#[test]
fn a_lost_answer_was_given() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let served = thread::spawn(move || {
        let mut client = listener.accept().unwrap().0;
        let mut request = [0; 3];
        client.read_exact(&mut request).unwrap();
        client.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").unwrap();
        request
    });
    let proxy = Proxy::start(&url, vec![Fault::once(Effect::LoseAnswer)]);
    assert!(Client::new(&proxy).send(b"PUT /a HTTP/1.1\r\n\r\n").is_none());
    assert_eq!(&served.join().unwrap(), b"PUT");
}

#[test]
fn a_clock_is_off() {
    let proxy = Proxy::start(&server(), vec![Fault::always(Effect::SkewDate { secs: 3600 })]);
    let mut client = Client::new(&proxy);
    let date = client.get("/a").unwrap().head.get("date").unwrap().to_owned();
    let within = |secs: i64| (secs - 3..=secs + 3).any(|secs| date::to_http(secs) == date);
    assert!(within(date::now_secs() + 3600), "{date}");
    proxy.set_faults(vec![Fault::always(Effect::SkewClock { secs: 3600 })]);
    let mut signed = |date: &str| {
        let request = format!("GET /a HTTP/1.1\r\nx-amz-date: {date}\r\n\r\n");
        client.send(request.as_bytes()).unwrap()
    };
    let refused = signed("20200101T000000Z");
    assert_eq!(refused.status(), "403");
    assert!(refused.text().contains("RequestTimeTooSkewed"));
    assert_eq!(signed("unsigned").status(), "200");
}

#[test]
fn nothing_answers_after_it_is_dropped() {
    let proxy = Proxy::start(&server(), Vec::new());
    let url = proxy.url();
    let mut client = Client::new(&proxy);
    assert!(client.get("/a").is_some());
    drop(proxy);
    assert!(client.get("/a").is_none());
    assert!(TcpStream::connect(url.strip_prefix("http://").unwrap()).is_err());
}

#[test]
fn retries_of_an_upload_are_the_same_request() {
    let request = |body: &str| {
        let mut head = Head::new("PUT /b/k HTTP/1.1");
        head.set("Content-Length", &body.len().to_string());
        Request { head, body: body.as_bytes().to_vec() }
    };
    let mut faults = super::Faults::new(vec![Fault::each_once(Effect::Drop)]);
    #[expect(clippy::disallowed_methods, reason = "any instant will do")]
    let now = std::time::Instant::now();
    assert!(faults.effect_on(&request("signature=1"), now).is_some());
    assert!(faults.effect_on(&request("signature=2"), now).is_none());
}
