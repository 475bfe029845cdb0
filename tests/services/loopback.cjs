// Loaded by Node before kinesis-local, which listens on every interface and on ports it cannot choose, and has
// no setting for either. Its servers come out on 127.0.0.1 and on free ports; the plain one's port is written to
// the file that TIDEGATE_PORT_FILE names. The process ends when its standard input does.
"use strict";

const fs = require("node:fs");
const net = require("node:net");
const tls = require("node:tls");

const listen = net.Server.prototype.listen;

function announce(server) {
    const file = process.env.TIDEGATE_PORT_FILE;
    fs.writeFileSync(`${file}.new`, String(server.address().port));
    fs.renameSync(`${file}.new`, file);
}

net.Server.prototype.listen = function (...args) {
    const done = args.find((arg) => typeof arg === "function");
    if (!(this instanceof tls.Server)) {
        this.once("listening", () => announce(this));
    }
    return listen.call(this, { host: "127.0.0.1", port: 0 }, ...(done ? [done] : []));
};

process.stdin.on("end", () => process.exit(0));
process.stdin.on("error", () => process.exit(0));
process.stdin.resume();
