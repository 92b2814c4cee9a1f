/**
 * What listens on a console socket: `terminal.js SOCKET LINE WANTED`. Takes one terminal, types LINE into it, prints what
 * comes out until WANTED was in it, and then holds the terminal open.
 */
import { readSync, writeSync } from "node:fs";
import { print, receiveMessage, syscall } from "@gantry/sys";

const [path = "", line = "", wanted = ""] = process.argv.slice(2);
const AF_UNIX = 1;
const SOCK_STREAM = 1;

const listener = syscall("socket", path, AF_UNIX, SOCK_STREAM, 0);
const address = Buffer.from(`\u0001\0${path}\0`);
syscall("bind", path, listener, address, address.length);
syscall("listen", path, listener, 1);
const connection = syscall("accept4", path, listener, null, null, 0);
const name = Buffer.alloc(256);
const { length, fds } = receiveMessage(connection, name);
print(`received ${name.toString("utf8", 0, length)}\n`);
const [master = -1] = fds;
writeSync(master, `${line}\n`);
let seen = "";
while (!seen.includes(wanted)) {
  const buffer = Buffer.alloc(4096);
  seen += buffer.toString("utf8", 0, readSync(master, buffer));
}
print(`seen ${wanted}\n`);
setInterval(() => {}, 1 << 30);
