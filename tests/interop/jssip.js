'use strict';
// The commands of driver.js, done by JsSIP.

const JsSIP = require('jssip');

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

module.exports = async (tell) => {
  let ua;

  function start({ server, uri, password }) {
    ua = new JsSIP.UA({ sockets: [new JsSIP.WebSocketInterface(server)], uri, password, register: false });
    ua.on('newMessage', ({ originator, request }) => {
      if (originator !== 'remote') return;
      const type = request.getHeader('Content-Type');
      tell('message', { from: request.from.uri.toString(), text: request.body, type });
    });
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

  function stop() {
    const stopped = first(ua, { disconnected: () => ({}) });
    ua.stop();
    return stopped;
  }

  return { start, register, unregister, message, options, stop };
};
