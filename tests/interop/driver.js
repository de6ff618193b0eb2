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
// The commands are the functions that jssip.js and sipjs.js export a user agent with, and
// those of the driver itself:
//
//     {"id": 4, "do": "lose"}                          the connection breaks
//     {"id": 5, "do": "whenAccepted", "then": "cancel"}    done as the next 2xx to an INVITE comes, before
//                                                      the user agent has seen it
//     {"id": 6, "do": "hasten"}                        timers of 40 to 59 seconds are a hundred times faster

const WebSocket = require('ws');
const readline = require('readline');

const sockets = new Set();
let uponAcceptance;

global.WebSocket = class extends WebSocket {
  constructor(...given) {
    super(...given);
    sockets.add(this);
    this.on('close', () => sockets.delete(this));
  }

  emit(event, ...values) {
    if (event === 'message' && uponAcceptance && /^SIP\/2.0 2.*\r\n(.*\r\n)*CSeq: \d+ INVITE\r\n/i.test(values[0])) {
      const act = uponAcceptance;
      uponAcceptance = undefined;
      act();
    }
    return super.emit(event, ...values);
  }
};

const driving = (agent) => ({
  async lose() {
    sockets.forEach((socket) => socket.terminate());
  },
  async whenAccepted({ then }) {
    uponAcceptance = () => agent[then]({});
  },
  async hasten() {
    const { setTimeout } = global;
    const hastened = (delay) => (delay >= 40000 && delay < 60000 ? delay / 100 : delay);
    global.setTimeout = (act, delay, ...values) => setTimeout(act, hastened(delay), ...values);
  },
});

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
  Object.assign(agent, driving(agent));
  const input = readline.createInterface({ input: process.stdin });
  input.on('line', (line) => run(agent, JSON.parse(line)));
  input.on('close', () => process.exit(0));
}

main(process.argv[2]).catch((error) => {
  process.stderr.write(`${error.stack}\n`);
  process.exit(1);
});
