'use strict';
// What the engines under Node.js share where they speak to a server.

// Send count requests, window of them at a time; send(done) sends one.
// Gives the seconds it took, by the clock and of the processor.
function exchange(count, window, send) {
  const begun = process.hrtime.bigint();
  const busy = process.cpuUsage();
  return new Promise((resolve, reject) => {
    let sent = 0;
    let answered = 0;
    function done(error) {
      if (error) return reject(error);
      answered += 1;
      if (sent < count) return next();
      if (answered < count) return undefined;
      const used = process.cpuUsage(busy);
      return resolve([Number(process.hrtime.bigint() - begun) / 1e9, (used.user + used.system) / 1e6]);
    }
    function next() {
      sent += 1;
      send(done);
    }
    while (sent < Math.min(count, window)) next();
  });
}

// The size of this process and of what it keeps, in octets.
function size() {
  for (let turn = 0; turn < 4; turn += 1) global.gc();
  const { rss, heapUsed, external } = process.memoryUsage();
  return { resident: rss, kept: heapUsed + external };
}

// Start count user agents, twenty at a time; start(index) promises that one is registered.
async function populate(from, count, start) {
  for (let first = from; first < from + count; first += 20) {
    const last = Math.min(first + 20, from + count);
    await Promise.all(Array.from({ length: last - first }, (_, offset) => start(first + offset)));
  }
}

module.exports = { exchange, populate, size };
