// Package dialplan holds the hooks of Ringmaster in a PBX: parts of the
// user's own Asterisk (asterisk/*.conf) or FreeSWITCH (freeswitch/*.xml)
// configuration, as text/template, rendered with the names of one
// configuration, so that application, user, password, gateways and queues
// cannot be spelled differently on the two sides.
//
// What comes from a configuration is refused, not escaped, where a file could
// read it as anything but one word.
package dialplan
