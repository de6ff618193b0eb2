'use strict';
// SIP.js 0.7.8.
//
// "parse" is Parser.parseMessage and sanityCheck, as its Transport does for
// each message.  The start line and the values of From, To, Via, CSeq, Call-ID,
// Contact, Record-Route, Content-Length and some more go through its grammar.

// It was written for browsers, and looks for one when it is loaded.
global.window = { addEventListener() {}, console, setTimeout, clearTimeout, setInterval, clearInterval };

const SIP = require('sipjs07');
const { serve, parsing } = require('./loop');

const log = { warn() {}, error() {}, log() {}, debug() {} };
const ua = {
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
  const message = SIP.Parser.parseMessage(text, ua);
  return message !== undefined && SIP.sanityCheck(message, ua, transport);
}

serve({ ...parsing(parse) });
