'use strict';
// What the engines under Node.js share: taking orders, and timing a function.
// See loop.py and timing.py, which do the same for Python.

const readline = require('readline');

const write = process.stdout.write.bind(process.stdout);

// Libraries print.  What they print must not stand among the reports.
for (const level of ['log', 'info', 'debug']) {
  console[level] = (...words) => console.error(...words);
}

function report(value) {
  write(JSON.stringify(value) + '\n');
}

// Take orders from standard input until it ends.  A task may return a promise.
function serve(tasks) {
  const lines = readline.createInterface({ input: process.stdin, crlfDelay: Infinity });
  lines.on('line', async (line) => {
    const order = JSON.parse(line);
    try {
      report({ result: (await tasks[order.do](order)) ?? null });
    } catch (error) {
      report({ error: String(error) });
    }
  });
  lines.on('close', () => process.exit(0));
}

// Time call(input) alone, for all that prepare() gives, again and again.
function timed(prepare, call, seconds) {
  let calls = 0;
  let spent = 0;
  do {
    const inputs = prepare();
    const begun = process.hrtime.bigint();
    for (const input of inputs) call(input);
    spent += Number(process.hrtime.bigint() - begun) / 1e9;
    calls += inputs.length;
  } while (spent < seconds);
  return [calls, spent];
}

function verdict(parse, text) {
  try {
    return parse(text) ? '' : 'refused';
  } catch (error) {
    return String(error);
  }
}

// The tasks of the benchmark "parse": parse(text) says whether the message passed.
function parsing(parse) {
  let corpus = [];
  return {
    load({ messages }) {
      corpus = messages;
      return corpus.map((variants) => verdict(parse, variants[0]));
    },
    parse: ({ index, seconds }) => timed(() => corpus[index], parse, seconds),
  };
}

// The tasks of the benchmark "build": by name of a message, what prepares the
// input from the materials (not timed), and what builds the message from it.
function building(builders) {
  let materials = {};
  return {
    prepare(given) {
      materials = given;
    },
    sample({ name }) {
      const [prepare, build] = builders[name];
      return build(prepare(materials));
    },
    build({ name, seconds }) {
      const [prepare, build] = builders[name];
      return timed(() => Array.from({ length: 16 }, () => prepare(materials)), build, seconds);
    },
  };
}

module.exports = { serve, parsing, building };
