'use strict';
// The telephone: JsSIP, and what a person sees of it.
//
// The address says who one is: ?user=alice

const user = new URLSearchParams(location.search).get('user') || 'alice';
const other = user === 'alice' ? 'bob' : 'alice';
const element = (id) => document.getElementById(id);

// Python has no media here, and no candidates are to be waited for on one machine.
const media = { mediaConstraints: { audio: true, video: false }, pcConfig: { iceServers: [] } };

// A caller may want us to make the offer: an INVITE without one.  JsSIP takes the streams to answer
// with from the caller's offer, where there is none takes none in spite of the constraints, and
// waits for ever for the candidates of none.  This has it take audio.
const answering = { ...media, rtcOfferConstraints: { offerToReceiveAudio: true } };

const ua = new JsSIP.UA({
  sockets: [new JsSIP.WebSocketInterface(settings.server)],
  uri: `sip:${user}@${settings.domain}`,
  session_timers: false,
});
let session;

function show(state, detail = '') {
  element('state').textContent = state;
  element('log').textContent += `${new Date().toLocaleTimeString()} ${state} ${detail}\n`;
  element('answer').disabled = state !== 'ringing';
  element('hangUp').disabled = ['none', 'ended', 'failed'].includes(state);
  element('call').disabled = !element('hangUp').disabled;
}

function follow(call) {
  session = call;
  call.on('progress', ({ originator }) => originator === 'remote' && show('they are called'));
  call.on('accepted', () => show('accepted'));
  call.on('confirmed', () => show('confirmed'));
  call.on('ended', ({ originator, cause }) => show('ended', `by ${originator}: ${cause}`));
  call.on('failed', ({ originator, cause }) => show('failed', `by ${originator}: ${cause}`));
  call.connection?.addEventListener('track', ({ streams }) => (element('sound').srcObject = streams[0]));
  call.on('peerconnection', ({ peerconnection }) =>
    peerconnection.addEventListener('track', ({ streams }) => (element('sound').srcObject = streams[0]))
  );
}

ua.on('registered', () => (element('registration').textContent = 'registered'));
ua.on('unregistered', () => (element('registration').textContent = 'not registered'));
ua.on('newRTCSession', ({ originator, session: call }) => {
  if (originator === 'local') return;
  follow(call);
  show('ringing', `from ${call.remote_identity.uri}`);
});

element('me').textContent = user;
element('other').textContent = other;
element('other').href = `?user=${other}`;
element('call').onclick = () => {
  show('calling', element('target').value);
  follow(ua.call(`sip:${element('target').value}@${settings.domain}`, media));
};
element('answer').onclick = () => session.answer(answering);
element('hangUp').onclick = () => session.terminate();
element('callMe').onclick = () => ua.sendMessage(`sip:python@${settings.domain}`, 'Call me');
ua.start();
