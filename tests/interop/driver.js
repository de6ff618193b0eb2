'use strict';
// Lets a test in another language be the user of a JavaScript SIP stack.
//
//     node driver.js jssip|sipjs
//
// reads commands from its standard input, one JSON object a line:
//
//     {"id": 1, "do": "start", "server": "ws://127.0.0.1:5066", "uri": "sip:bob@localhost", "password": "..."}
//     {"id": 2, "do": "register"}
//     {"id": 3, "do": "message", "target": "sip:alice@localhost", "text": "Hello", "type": "text/plain"}
//
// and answers each on its standard output, in whatever order they are done:
//
//     {"id": 2, "status": 200}              the final response's
//     {"id": 3, "error": "..."}             there was none
//
// What happens without being asked for comes as an event:
//
//     {"event": "message", "from": "sip:alice@localhost", "text": "...", "type": "text/plain"}
//     {"event": "call", "state": "Established"}
//
// The commands are the functions that jssip.js and sipjs.js export a user agent with.

global.WebSocket = require('ws');

const readline = require('readline');

const stacks = { jssip: './jssip.js', sipjs: './sipjs.js' };

function say(line) {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}

async function run(agent, { id, do: command, ...given }) {
  try {
    if (typeof agent[command] !== 'function') throw new Error(`there is no command ${command}`);
    say({ id, ...(await agent[command](given)) });
  } catch (error) {
    say({ id, error: error.message });
  }
}

async function main(stack) {
  if (!stacks[stack]) throw new Error(`usage: node driver.js ${Object.keys(stacks).join('|')}`);
  const agent = await require(stacks[stack])((event, values) => say({ event, ...values }));
  const input = readline.createInterface({ input: process.stdin });
  input.on('line', (line) => run(agent, JSON.parse(line)));
  input.on('close', () => process.exit(0));
}

main(process.argv[2]).catch((error) => {
  process.stderr.write(`${error.stack}\n`);
  process.exit(1);
});
