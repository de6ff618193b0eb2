'use strict';
// JsSIP.
//
// "parse" is Parser.parseMessage and sanityCheck, as its UA does for each
// message.  The start line and the values of From, To, Via, CSeq, Call-ID,
// Contact, Record-Route, Content-Length and some more go through its grammar.
//
// "build" is OutgoingRequest with what Registrator and RTCSession give it, Via
// as its client transaction sets it, and toString; or IncomingRequest.reply.
//
// "exchange" is ua.sendMessage, over the module ws.
//
// "call" is ua.call, and session.terminate once it is confirmed.  Done is a call
// with "ended", which JsSIP tells as soon as the BYE has left.  WebRTC is none.

global.WebSocket = require('ws');

const JsSIP = require('jssip');
const Parser = require('jssip/lib/Parser');
const sanityCheck = require('jssip/lib/sanityCheck');
const { OutgoingRequest, InitialOutgoingInviteRequest } = require('jssip/lib/SIPMessage');
const Utils = require('jssip/lib/Utils');
const { exchange, populate, size } = require('./exchange');
const { building, parsing, serve } = require('./loop');
const webrtc = require('../../tests/interop/webrtc');

const stub = {
  configuration: { jssip_id: 'none0', via_host: 'mYn6S3lQaKjo.invalid' },
  _transactions: { ist: {}, nist: {}, ict: {}, nict: {} },
};
const transport = {
  send() {
    throw new Error('the sanity check refused a message');
  },
};

function parse(text) {
  const message = Parser.parseMessage(text, stub);
  return message !== undefined && sanityCheck(message, stub, transport);
}

function makeUA(url, name, register) {
  const sockets = [new JsSIP.WebSocketInterface(url)];
  return new JsSIP.UA({ sockets, uri: `sip:${name}@example.test`, register, session_timers: false });
}

const idle = makeUA('ws://127.0.0.1/', 'alice', false);

function withVia(request) {
  const branch = `z9hG4bK${Math.floor(Math.random() * 10000000)}`;
  request.setHeader('via', `SIP/2.0/WS ${idle.configuration.via_host};branch=${branch}`);
  return request.toString();
}

function register() {
  const to = idle.configuration.uri;
  const contact = `${idle.contact};reg-id=1;+sip.instance="<urn:uuid:${idle.configuration.instance_id}>"`;
  const headers = [`Contact: ${contact};expires=600`, 'Expires: 600'];
  const params = { to_uri: to, call_id: Utils.createRandomToken(22), cseq: 2 };
  return withVia(new OutgoingRequest('REGISTER', idle.configuration.registrar_server, idle, params, headers));
}

function invite(offer) {
  const headers = [`Contact: ${idle.contact}`, 'Content-Type: application/sdp'];
  const target = idle.normalizeTarget('sip:bob@example.test');
  return withVia(new InitialOutgoingInviteRequest(target, idle, null, headers, offer));
}

function received({ invite: text, answer }) {
  const request = Parser.parseMessage(text, idle);
  return [request, answer];
}

function ok([request, answer]) {
  let built;
  request.server_transaction = { receiveResponse: (code, response) => (built = response) };
  request.reply(200, null, [`Contact: ${idle.contact}`], answer);
  return built;
}

const builders = {
  REGISTER: [() => undefined, register],
  'INVITE with SDP': [({ offer }) => offer, invite],
  '200 with SDP': [received, ok],
};

let client;

function connect({ url }) {
  client = makeUA(url, 'alice', false);
  return new Promise((resolve) => {
    client.on('connected', () => resolve(null));
    client.start();
  });
}

function send({ count, window, body }) {
  return exchange(count, window, (done) => {
    const failed = ({ cause }) => done(new Error(cause));
    client.sendMessage('sip:bob@example.test', body, { eventHandlers: { succeeded: () => done(), failed } });
  });
}

function call({ count, window, offer }) {
  webrtc.install(() => offer, () => undefined);
  const mediaStream = new webrtc.MediaStream();
  return exchange(count, window, (done) => {
    const session = client.call('sip:bob@example.test', { mediaStream });
    session.on('confirmed', () => session.terminate());
    session.on('ended', () => done());
    session.on('failed', ({ cause }) => done(new Error(cause)));
  });
}

const agents = [];

function start(url, index) {
  const ua = makeUA(url, `user${index}`, true);
  agents.push(ua);
  return new Promise((resolve, reject) => {
    ua.on('registered', resolve);
    ua.on('registrationFailed', ({ cause }) => reject(new Error(cause)));
    ua.start();
  });
}

async function grow({ url, count }) {
  await populate(agents.length, count, (index) => start(url, index));
  return size();
}

serve({ ...parsing(parse), ...building(builders), connect, exchange: send, call, grow });
