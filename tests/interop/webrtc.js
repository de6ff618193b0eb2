'use strict';
// What a browser gives JsSIP for calls: WebRTC as its sessions see it, without
// media.  All is done at once: candidates are gathered, descriptions taken.

class Emitter {
  addEventListener() {}
  removeEventListener() {}
}

class Track {
  constructor(kind) {
    Object.assign(this, { kind, enabled: true, id: kind });
  }

  stop() {}
}

class MediaStream extends Emitter {
  constructor() {
    super();
    this.tracks = [new Track('audio')];
  }

  getTracks() {
    return this.tracks;
  }

  getAudioTracks() {
    return this.tracks;
  }

  getVideoTracks() {
    return [];
  }
}

class RTCSessionDescription {
  constructor({ type, sdp }) {
    Object.assign(this, { type, sdp });
  }
}

// The direction of the media that a description asks for (RFC 4566 section 6: sendrecv if nothing is said).
const directionOf = (sdp) => (/^a=(sendrecv|sendonly|recvonly|inactive)\r?$/m.exec(sdp) || [])[1] || 'sendrecv';

// RFC 3264 section 6.1: what is answered to an offer of this direction.
const answered = { sendrecv: 'sendrecv', sendonly: 'recvonly', recvonly: 'sendonly', inactive: 'inactive' };

// A description of one stream of audio.
const audio = (direction) =>
  [
    'v=0',
    'o=- 20518 0 IN IP4 127.0.0.1',
    's=-',
    'c=IN IP4 127.0.0.1',
    't=0 0',
    'm=audio 54400 UDP/TLS/RTP/SAVPF 0',
    'a=rtpmap:0 PCMU/8000',
    `a=${direction}`,
    '',
  ].join('\r\n');

// Give an answer to the offer, or an offer where there is none.
const describe = (offer) => audio(offer ? answered[directionOf(offer)] : 'sendrecv');

function peerConnection(describe, onRemote) {
  return class RTCPeerConnection extends Emitter {
    constructor() {
      super();
      Object.assign(this, { iceGatheringState: 'complete', iceConnectionState: 'new', signalingState: 'stable' });
      this.senders = [];
    }

    addTrack(track) {
      this.senders.push({ track });
    }

    getSenders() {
      return this.senders;
    }

    async createOffer() {
      return { type: 'offer', sdp: describe() };
    }

    async createAnswer() {
      return { type: 'answer', sdp: describe(this.remoteDescription.sdp) };
    }

    async setLocalDescription(description) {
      this.localDescription = description;
      this.signalingState = description.type === 'offer' ? 'have-local-offer' : 'stable';
    }

    async setRemoteDescription(description) {
      onRemote(description);
      this.remoteDescription = description;
      this.signalingState = description.type === 'offer' ? 'have-remote-offer' : 'stable';
    }

    close() {
      this.signalingState = 'closed';
    }
  };
}

// Put it where JsSIP looks for it: a function that gives local descriptions, as
// describe does, and one that is told of remote ones.
function install(describe, onRemote) {
  const mediaDevices = { getUserMedia: async () => new MediaStream() };
  Object.defineProperty(global, 'navigator', { value: { mediaDevices }, configurable: true });
  Object.assign(global, { MediaStream, RTCSessionDescription, RTCPeerConnection: peerConnection(describe, onRemote) });
  global.window = global;
}

module.exports = { MediaStream, audio, describe, directionOf, install };
