// Package dialplan holds the hooks of Ringmaster in a PBX: parts of the
// user's own Asterisk configuration (asterisk/*.conf, text/template), rendered
// with the names of one configuration, so that the Stasis application, the
// ARI user and the queues cannot be spelled differently on the two sides.
//
// What comes from a configuration is refused, not escaped, where a conf file
// could read it as anything but one word.
package dialplan
