// Package replay runs a version of a script over what customers really said in
// calls by another version, and tells where the conversation goes elsewhere.
package replay
