'use strict';
// The commands of driver.js, done by JsSIP.

const JsSIP = require('jssip');
const webrtc = require('./webrtc');

// Await the first of these events of an emitter; each is mapped to what it means.
function first(emitter, outcomes) {
  return new Promise((resolve, reject) => {
    const listeners = Object.entries(outcomes).map(([name, meaning]) => [
      name,
      (event) => {
        listeners.forEach(([other, listener]) => emitter.removeListener(other, listener));
        try {
          resolve(meaning(event));
        } catch (error) {
          reject(error);
        }
      },
    ]);
    listeners.forEach(([name, listener]) => emitter.on(name, listener));
  });
}

const status = ({ response, cause }) => {
  if (!response) throw new Error(cause);
  return { status: response.status_code };
};

// How a message, options or the like ends.
const exchange = (send) =>
  new Promise((resolve, reject) => {
    const done = (event) => {
      try {
        resolve(status(event));
      } catch (error) {
        reject(error);
      }
    };
    send({ succeeded: done, failed: done });
  });

// Answers incoming calls have, by name.
const answers = {
  accept: (session, mediaStream) => session.answer({ mediaStream }),
  reject: (session, _, { status = 486 }) => session.terminate({ status_code: status }),
  redirect: (session, _, { contact }) => session.terminate({ status_code: 302, extraHeaders: [`Contact: ${contact}`] }),
  ring: () => undefined,
};

module.exports = async (tell) => {
  const mediaStream = new webrtc.MediaStream();
  const sessions = [];
  let ua;
  let answerCall = answers.ring;
  let answer = {};
  let subscriber;
  let notifier;

  webrtc.install(webrtc.describe, ({ type, sdp }) => tell('described', { type, direction: webrtc.directionOf(sdp) }));

  const latest = () => sessions[sessions.length - 1];

  function follow(session) {
    sessions.push(session);
    const say = (state) => tell('call', { state });
    session.on('connecting', () => say('Establishing'));
    session.on('confirmed', () => say('Established'));
    for (const name of ['ended', 'failed']) {
      session.on(name, () => {
        sessions.splice(sessions.indexOf(session), 1);
        say('Terminated');
      });
    }
    session.on('sdp', ({ originator, type }) => originator === 'remote' && tell('sdp', { type }));
    session.on('hold', ({ originator }) => tell('hold', { by: originator }));
    session.on('unhold', ({ originator }) => tell('resume', { by: originator }));
    session.on('newDTMF', ({ originator, dtmf }) => originator === 'remote' && tell('dtmf', { tone: dtmf.tone }));
    session.on('refer', ({ request, accept }) => {
      tell('refer', { to: request.parseHeader('refer-to').uri.toString() });
      accept(follow, { mediaStream });
    });
    session.on('replaces', ({ accept }) => {
      tell('replaces', {});
      accept(follow);
    });
  }

  function called({ originator, session }) {
    if (originator !== 'remote') return;
    follow(session);
    tell('call', { state: 'Ringing' });
    answerCall(session, mediaStream, answer);
  }

  function start({ server, uri, password, ...given }) {
    const sockets = [new JsSIP.WebSocketInterface(server)];
    ua = new JsSIP.UA({ sockets, uri, password, register: false, ...given });
    ua.on('newMessage', ({ originator, request }) => {
      if (originator !== 'remote') return;
      const type = request.getHeader('Content-Type');
      tell('message', { from: request.from.uri.toString(), text: request.body, type });
    });
    ua.on('newRTCSession', called);
    ua.on('newSubscribe', ({ request }) => subscribed(request));
    ua.on('disconnected', () => tell('disconnected'));
    const connected = first(ua, {
      connected: () => ({}),
      disconnected: ({ reason, code }) => {
        throw new Error(`not connected: ${code} ${reason}`);
      },
    });
    ua.start();
    return connected;
  }

  function register() {
    const registered = first(ua, { registered: status, registrationFailed: status });
    ua.register();
    return registered;
  }

  function unregister() {
    const unregistered = first(ua, { unregistered: status });
    ua.unregister();
    return unregistered;
  }

  const message = ({ target, text, type }) =>
    exchange((eventHandlers) => ua.sendMessage(target, text, { contentType: type, eventHandlers }));

  const options = ({ target }) => exchange((eventHandlers) => ua.sendOptions(target, null, { eventHandlers }));

  // What becomes of calls that come in: "accept", "reject" with a status, "redirect" to a contact, or "ring".
  async function whenCalled(given) {
    answer = given;
    answerCall = answers[given.then];
    return {};
  }

  async function accept() {
    latest().answer({ mediaStream });
  }

  function call({ target, ...given }) {
    const session = ua.call(target, { mediaStream, ...given });
    follow(session);
    const failed = ({ message, cause }) => (message ? { status: message.status_code, cause } : { cause });
    return first(session, { accepted: status, failed });
  }

  async function cancel() {
    latest().terminate();
    return {};
  }

  // How the BYE is answered, JsSIP does not tell.
  const hangUp = cancel;

  const changed = (change) =>
    new Promise((resolve, reject) => {
      if (!change(() => resolve({}))) reject(new Error('not now'));
    });

  const refresh = () => changed((done) => latest().renegotiate({}, done));

  const hold = () => changed((done) => latest().hold({}, done));

  const resume = () => changed((done) => latest().unhold({}, done));

  async function dtmf({ tones }) {
    latest().sendDTMF(tones, { duration: 100, interToneGap: 50, transportType: 'INFO' });
    return {};
  }

  // Transfer the first call: to a target, or to the other end of the latest one.
  const refer = ({ target }) =>
    new Promise((resolve, reject) => {
      const [session] = sessions;
      const replaces = target ? undefined : latest();
      const to = target || replaces.remote_identity.uri.toString();
      const failed = ({ cause }) => reject(new Error(cause));
      const concluded = ({ status_line: line }) => resolve({ status: line.status_code });
      const eventHandlers = { accepted: concluded, failed: concluded, requestFailed: failed };
      session.refer(to, { replaces, eventHandlers });
    });

  async function subscribe({ target, event, accept }) {
    subscriber = ua.subscribe(target, event, accept, { expires: 600 });
    subscriber.on('active', () => tell('subscription', { state: 'active' }));
    subscriber.on('terminated', (code, reason) => tell('subscription', { state: 'terminated', reason }));
    subscriber.on('notify', (final, request, body, type) => tell('notify', { body, type }));
    subscriber.subscribe();
    return {};
  }

  async function unsubscribe() {
    subscriber.terminate();
    return {};
  }

  function subscribed(request) {
    notifier = ua.notify(request, request.getHeader('accept') || 'text/plain', {});
    notifier.on('subscribe', (ended) => {
      tell('subscribe', { package: request.getHeader('event'), ended });
      // RFC 6665 section 4.2.1.2: a NOTIFY follows each SUBSCRIBE at once.
      if (ended) notifier.terminate();
      else notifier.notify();
    });
    notifier.start();
  }

  async function notify({ body, final }) {
    if (final) notifier.terminate(body, 'noresource');
    else notifier.notify(body);
    return {};
  }

  // It connects anew by itself.
  const reconnect = () => (ua.isConnected() ? {} : first(ua, { connected: () => ({}) }));

  function stop() {
    const stopped = first(ua, { disconnected: () => ({}) });
    ua.stop();
    return stopped;
  }

  return {
    start,
    register,
    unregister,
    message,
    options,
    whenCalled,
    accept,
    call,
    cancel,
    hangUp,
    refresh,
    hold,
    resume,
    dtmf,
    refer,
    subscribe,
    unsubscribe,
    notify,
    reconnect,
    stop,
  };
};
