'use strict';
// The commands of driver.js, done by SIP.js 0.21.

const { pathToFileURL } = require('url');

const { audio, describe, directionOf } = require('./webrtc');

// The final response to a request that send makes with a delegate.
const final = (send) =>
  new Promise((resolve, reject) => {
    const done = ({ message }) => resolve({ status: message.statusCode });
    Promise.resolve(send({ onAccept: done, onReject: done, onRedirect: done })).catch(reject);
  });

module.exports = async (tell) => {
  // SIP.js is an ECMAScript module.
  const { UserAgent, Registerer, Messager, Inviter, Subscriber } = await import(
    pathToFileURL(require.resolve('sip.js'))
  );
  const sessions = [];
  let ua;
  let registerer;
  let answerCall;
  let subscriber;
  let notifier;

  // Calls without a browser have no media.
  function media() {
    // Their offer that is to be answered; and whether ours is.
    let offer;
    let offering = false;
    return {
      close() {},
      hasDescription: (type) => type === 'application/sdp',
      async getDescription(options) {
        offering = !offer;
        const body = offering && options && options.hold ? audio('sendonly') : describe(offer);
        offer = undefined;
        return { body, contentType: 'application/sdp' };
      },
      async setDescription(sdp) {
        offer = offering ? undefined : sdp;
        offering = false;
        tell('described', { direction: directionOf(sdp) });
      },
      rollbackDescription: async () => undefined,
      sendDtmf: () => false,
    };
  }

  const latest = () => sessions[sessions.length - 1];

  function follow(session) {
    sessions.push(session);
    session.stateChange.addListener((state) => {
      if (state === 'Terminated') sessions.splice(sessions.indexOf(session), 1);
      tell('call', { state });
    });
    session.delegate = {
      onInfo(info) {
        tell('dtmf', { tone: (/Signal=\s*(\S)/.exec(info.request.body) || [])[1] });
        info.accept();
      },
      async onRefer(referral) {
        tell('refer', { to: referral.referTo.uri.toString() });
        await referral.accept();
        const inviter = referral.makeInviter();
        follow(inviter);
        await inviter.invite();
      },
    };
  }

  const uriOf = (text) => {
    const uri = UserAgent.makeURI(text);
    if (!uri) throw new Error(`not a URI: ${text}`);
    return uri;
  };

  async function start({ server, uri, password, ...given }) {
    ua = new UserAgent({
      uri: uriOf(uri),
      transportOptions: { server },
      authorizationUsername: uriOf(uri).user,
      authorizationPassword: password,
      logBuiltinEnabled: false,
      sessionDescriptionHandlerFactory: media,
      sipExtensionReplaces: 'Supported',
      ...given,
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
        onSubscribeRequest: subscribed,
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

  // What becomes of calls that come in: "accept", "reject" with a status, "redirect" to a contact, "early" media,
  // or nothing.
  async function whenCalled({ then, status: statusCode = 486, contact }) {
    const answers = {
      accept: (invitation) => invitation.accept(),
      reject: (invitation) => invitation.reject({ statusCode }),
      redirect: (invitation) => invitation.reject({ statusCode: 302, extraHeaders: [`Contact: ${contact}`] }),
      early: (invitation) => invitation.progress({ statusCode: 183, rel100: true }),
    };
    answerCall = answers[then] || (() => undefined);
    return {};
  }

  async function accept() {
    await latest().accept();
  }

  const call = ({ target, earlyMedia = false, ...given }) =>
    final((requestDelegate) => {
      const inviter = new Inviter(ua, uriOf(target), { earlyMedia });
      follow(inviter);
      return inviter.invite({ requestDelegate, ...given });
    });

  const hangUp = () => final((requestDelegate) => latest().bye({ requestDelegate }));

  async function cancel() {
    await latest().cancel();
    return {};
  }

  // It does not wait for the end of what the other side has begun, and refuses until then.
  async function patiently(ask) {
    for (let attempt = 0; ; attempt += 1) {
      try {
        return await ask();
      } catch (error) {
        if (attempt === 100 || !/ongoing|in progress|pending/i.test(error.message)) throw error;
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    }
  }

  const reinvite = (hold) =>
    final((requestDelegate) => {
      const session = latest();
      session.sessionDescriptionHandlerOptionsReInvite = { hold };
      return patiently(() => session.invite({ requestDelegate }));
    });

  const hold = () => reinvite(true);

  const resume = () => reinvite(false);

  async function dtmf({ tones }) {
    for (const tone of tones) {
      const body = { contentDisposition: 'render', contentType: 'application/dtmf-relay' };
      body.content = `Signal=${tone}\r\nDuration=100\r\n`;
      await final((requestDelegate) => latest().info({ requestDelegate, requestOptions: { body } }));
    }
    return {};
  }

  // Transfer the first call: to a target, or to the other end of the latest one.
  const refer = ({ target }) =>
    new Promise((resolve, reject) => {
      const onNotify = (notification) => {
        notification.accept();
        const [, status] = /^SIP\/2.0 (\d+)/.exec(notification.request.body);
        if (Number(status) >= 200) resolve({ status: Number(status) });
      };
      const requestDelegate = { onReject: ({ message }) => reject(new Error(message.reasonPhrase)) };
      sessions[0].refer(target ? uriOf(target) : latest(), { onNotify, requestDelegate }).catch(reject);
    });

  async function subscribe({ target, event, accept }) {
    subscriber = new Subscriber(ua, uriOf(target), event, { expires: 600, extraHeaders: [`Accept: ${accept}`] });
    subscriber.delegate = {
      onNotify(notification) {
        const { body } = notification.request;
        if (body) tell('notify', { body, type: notification.request.getHeader('Content-Type') });
        notification.accept();
      },
    };
    subscriber.stateChange.addListener((state) =>
      tell('subscription', { state: state === 'Subscribed' ? 'active' : state.toLowerCase() })
    );
    await subscriber.subscribe();
    return {};
  }

  async function unsubscribe() {
    await subscriber.unsubscribe();
    return {};
  }

  // SIP.js has no notifier: this is one made of its requests, for one subscription.
  function subscribed(incoming) {
    const { message: request } = incoming;
    const expires = request.getHeader('Expires') || '3600';
    const { contact } = ua;
    if (!request.toTag) {
      const extraHeaders = [`Contact: ${contact}`, `Expires: ${expires}`];
      const { message } = incoming.accept({ statusCode: 200, extraHeaders });
      const toTag = /^To:.*;tag=(\S+)/im.exec(message)[1];
      notifier = { request, toTag, cseq: 1 };
    }
    tell('subscribe', { package: request.getHeader('Event'), ended: expires === '0' });
    sendNotify(expires === '0' ? 'terminated;reason=timeout' : `active;expires=${expires}`);
  }

  function sendNotify(state, body) {
    const { request, toTag } = notifier;
    const core = ua.userAgentCore;
    const target = request.parseHeader('Contact').uri;
    const options = { callId: request.callId, fromTag: toTag, toTag: request.fromTag, cseq: notifier.cseq };
    options.routeSet = request.getHeaders('Record-Route');
    notifier.cseq += 1;
    const headers = [`Event: ${request.getHeader('Event')}`, `Subscription-State: ${state}`, `Contact: ${ua.contact}`];
    const content = body && { contentDisposition: 'render', contentType: request.getHeader('Accept'), content: body };
    const { uri } = request.to;
    const notify = core.makeOutgoingRequestMessage('NOTIFY', target, uri, request.from.uri, options, headers, content);
    return final((delegate) => core.request(notify, delegate));
  }

  const notify = ({ body, final: last }) => sendNotify(last ? 'terminated;reason=noresource' : 'active', body);

  async function reconnect() {
    await ua.reconnect();
  }

  async function stop() {
    await ua.stop();
    return {};
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
