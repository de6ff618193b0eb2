'use strict';
// What the engines under Node.js share: taking orders, and timing a function.
// See loop.py, which does the same for Python.

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

function timed(call, inputs, seconds) {
  const begun = process.hrtime.bigint();
  let calls = 0;
  let spent = 0;
  do {
    for (const input of inputs) call(input);
    calls += inputs.length;
    spent = Number(process.hrtime.bigint() - begun) / 1e9;
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
    parse: ({ index, seconds }) => timed(parse, corpus[index], seconds),
  };
}

// The tasks of the benchmark "build": by name, what builds a message with a body.
function building(builders) {
  return {
    sample: ({ name, body }) => builders[name](body),
    build: ({ name, body, seconds }) => timed(builders[name], Array(32).fill(body), seconds),
  };
}

module.exports = { serve, parsing, building };
