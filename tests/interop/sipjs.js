'use strict';
// The commands of driver.js, done by SIP.js 0.21.

const { pathToFileURL } = require('url');

// The final response to a request that send makes with a delegate.
const final = (send) =>
  new Promise((resolve, reject) => {
    const done = ({ message }) => resolve({ status: message.statusCode });
    Promise.resolve(send({ onAccept: done, onReject: done, onRedirect: done })).catch(reject);
  });

// Calls without a browser have no media.
const media = {
  close() {},
  hasDescription: (type) => type === 'application/sdp',
  getDescription: async () => ({ body: 'v=0\r\n', contentType: 'application/sdp' }),
  setDescription: async () => undefined,
  rollbackDescription: async () => undefined,
  sendDtmf: () => false,
};

module.exports = async (tell) => {
  // SIP.js is an ECMAScript module.
  const { UserAgent, Registerer, Messager, Inviter } = await import(pathToFileURL(require.resolve('sip.js')));
  let ua;
  let registerer;
  let session;
  let answerCall;

  function follow(followed) {
    session = followed;
    session.stateChange.addListener((state) => tell('call', { state }));
  }

  const uriOf = (text) => {
    const uri = UserAgent.makeURI(text);
    if (!uri) throw new Error(`not a URI: ${text}`);
    return uri;
  };

  async function start({ server, uri, password }) {
    ua = new UserAgent({
      uri: uriOf(uri),
      transportOptions: { server },
      authorizationUsername: uriOf(uri).user,
      authorizationPassword: password,
      logBuiltinEnabled: false,
      sessionDescriptionHandlerFactory: () => media,
      delegate: {
        onMessage(incoming) {
          const { request } = incoming;
          const type = request.getHeader('Content-Type');
          tell('message', { from: request.from.uri.toString(), text: request.body, type });
          incoming.accept();
        },
        async onInvite(invitation) {
          follow(invitation);
          await invitation.progress();
          tell('call', { state: 'Ringing' });
          await answerCall(invitation);
        },
        onDisconnect: () => tell('disconnected'),
      },
    });
    registerer = new Registerer(ua, { expires: 600 });
    await ua.start();
    return {};
  }

  const register = () => final((requestDelegate) => registerer.register({ requestDelegate }));

  const unregister = () => final((requestDelegate) => registerer.unregister({ requestDelegate }));

  const message = ({ target, text, type }) =>
    final((requestDelegate) => new Messager(ua, uriOf(target), text, type).message({ requestDelegate }));

  const options = ({ target }) =>
    final((delegate) => {
      const core = ua.userAgentCore;
      const { aor } = core.configuration;
      const request = core.makeOutgoingRequestMessage('OPTIONS', uriOf(target), aor, uriOf(target), {});
      core.request(request, delegate);
    });

  // What becomes of calls that come in: "accept", "reject", or nothing.
  async function whenCalled({ then }) {
    const answers = {
      accept: (invitation) => invitation.accept(),
      reject: (invitation) => invitation.reject({ statusCode: 486 }),
    };
    answerCall = answers[then] || (() => undefined);
    return {};
  }

  const call = ({ target }) =>
    final((requestDelegate) => {
      follow(new Inviter(ua, uriOf(target)));
      return session.invite({ requestDelegate });
    });

  const hangUp = () => final((requestDelegate) => session.bye({ requestDelegate }));

  async function cancel() {
    await session.cancel();
    return {};
  }

  async function stop() {
    await ua.stop();
    return {};
  }

  return { start, register, unregister, message, options, whenCalled, call, hangUp, cancel, stop };
};
