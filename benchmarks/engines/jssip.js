'use strict';
// JsSIP.
//
// "parse" is Parser.parseMessage and sanityCheck, as its UA does for each
// message.  The start line and the values of From, To, Via, CSeq, Call-ID,
// Contact, Record-Route, Content-Length and some more go through its grammar.

const Parser = require('jssip/lib/Parser');
const sanityCheck = require('jssip/lib/sanityCheck');
const { serve, parsing } = require('./loop');

const ua = {
  configuration: { jssip_id: 'none0', via_host: 'mYn6S3lQaKjo.invalid' },
  _transactions: { ist: {}, nist: {}, ict: {}, nict: {} },
};
const transport = {
  send() {
    throw new Error('the sanity check refused a message');
  },
};

function parse(text) {
  const message = Parser.parseMessage(text, ua);
  return message !== undefined && sanityCheck(message, ua, transport);
}

serve({ ...parsing(parse) });
