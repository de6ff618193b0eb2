'use strict';
// SIP.js 0.7.8.
//
// "parse" is Parser.parseMessage and sanityCheck, as its Transport does for
// each message.  The start line and the values of From, To, Via, CSeq, Call-ID,
// Contact, Record-Route, Content-Length and some more go through its grammar.
//
// "build" is OutgoingRequest with what RegisterContext and Session give it, Via
// as its client transaction sets it, and toString; or IncomingRequest.reply.
//
// "exchange" is ua.message, over the version of the module ws that it depends on.
//
// "call" is ua.invite, and session.bye once it is accepted.  Done is a call with
// "terminated", which SIP.js tells as soon as the BYE has left.  WebRTC is none.

// It was written for browsers, and looks for one when it is loaded.
global.window = {
  Promise,
  addEventListener() {},
  console,
  setTimeout,
  clearTimeout,
  setInterval,
  clearInterval,
};

const SIP = require('sipjs07');
const { exchange, populate, size } = require('./exchange');
const { building, parsing, serve } = require('./loop');

const log = { warn() {}, error() {}, log() {}, debug() {} };
const stub = {
  configuration: { sipjsId: 'none0', viaHost: 'mYn6S3lQaKjo.invalid' },
  transactions: { ist: {}, nist: {}, ict: {}, nict: {} },
  getLogger: () => log,
};
const transport = {
  send() {
    throw new Error('the sanity check refused a message');
  },
};

function parse(text) {
  const message = SIP.Parser.parseMessage(text, stub);
  return message !== undefined && SIP.sanityCheck(message, stub, transport);
}

let offer;

// The offer, and any answer, at once.
const mediaHandlerFactory = () => ({
  close() {},
  isReady: () => true,
  mute() {},
  on() {},
  render() {},
  unmute() {},
  hasDescription: () => true,
  getDescription: () => Promise.resolve({ body: offer, contentType: 'application/sdp' }),
  setDescription: () => Promise.resolve(),
});
mediaHandlerFactory.isSupported = () => true;

function makeUA(url, name, register, autostart) {
  return new SIP.UA({
    mediaHandlerFactory,
    uri: `${name}@example.test`,
    wsServers: [url],
    register,
    autostart,
    autostop: false,
    log: { builtinEnabled: false },
  });
}

const idle = makeUA('ws://127.0.0.1/', 'alice', false, false);

function withVia(request) {
  const branch = `z9hG4bK${Math.floor(Math.random() * 10000000)}`;
  request.setHeader('via', `SIP/2.0/WS ${idle.configuration.viaHost};branch=${branch}`);
  return request.toString();
}

function register() {
  const { uri, registrarServer, instanceId } = idle.configuration;
  const contact = `${idle.contact};reg-id=1;+sip.instance="<urn:uuid:${instanceId}>"`;
  const headers = [`Contact: ${contact};expires=600`, `Allow: ${SIP.UA.C.ALLOWED_METHODS}`];
  const params = { to_uri: uri, call_id: SIP.Utils.createRandomToken(22), cseq: 2 };
  return withVia(new SIP.OutgoingRequest('REGISTER', registrarServer, idle, params, headers));
}

function invite(offer) {
  const headers = [`Contact: ${idle.contact}`, `Allow: ${SIP.UA.C.ALLOWED_METHODS}`];
  const body = { body: offer, contentType: 'application/sdp' };
  const target = idle.normalizeTarget('sip:bob@example.test');
  return withVia(new SIP.OutgoingRequest('INVITE', target, idle, null, headers, body));
}

function received({ invite: text, answer }) {
  const request = SIP.Parser.parseMessage(text, idle);
  request.server_transaction = { receiveResponse: () => ({ then() {} }) };
  return [request, answer];
}

function ok([request, answer]) {
  const headers = [`Contact: ${idle.contact}`, `Allow: ${SIP.UA.C.ALLOWED_METHODS}`];
  return request.reply(200, null, headers, { body: answer, contentType: 'application/sdp' });
}

const builders = {
  REGISTER: [() => undefined, register],
  'INVITE with SDP': [({ offer }) => offer, invite],
  '200 with SDP': [received, ok],
};

let client;

function connect({ url }) {
  client = makeUA(url, 'alice', false, true);
  return new Promise((resolve) => client.on('connected', () => resolve(null)));
}

function send({ count, window, body }) {
  return exchange(count, window, (done) => {
    const request = client.message('sip:bob@example.test', body);
    request.on('accepted', () => done());
    request.on('failed', (response, cause) => done(new Error(cause)));
  });
}

function call({ count, window, offer: given }) {
  offer = given;
  return exchange(count, window, (done) => {
    const session = client.invite('sip:bob@example.test');
    session.on('accepted', () => session.bye());
    session.on('terminated', () => done());
    session.on('failed', (response, cause) => done(new Error(cause)));
  });
}

const agents = [];

function start(url, index) {
  const ua = makeUA(url, `user${index}`, true, true);
  agents.push(ua);
  return new Promise((resolve, reject) => {
    ua.on('registered', resolve);
    ua.on('registrationFailed', (response, cause) => reject(new Error(cause)));
  });
}

async function grow({ url, count }) {
  await populate(agents.length, count, (index) => start(url, index));
  return size();
}

serve({ ...parsing(parse), ...building(builders), connect, exchange: send, call, grow });
