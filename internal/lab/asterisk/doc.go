// Package asterisk starts a private Asterisk 22 on loopback, from the folder that setup/asterisk.sh made, with a configuration
// written here (conf/). Tests and `make run-asterisk` use it; production has its own Asterisk.
//
// Every instance has a numbered slot: a folder of its own inside the chroot (nothing is mounted) and ports of its own, so several
// run at once. It dies with the process that started it, and what a killed run left is cleaned at the next start (package child).
//
// Who is in it:
//
//   - endpoint lab, the trunk: Endpoint gives the dial string for a phone at any address; calls from 127.0.0.1 are its calls and go to
//     the Stasis application Options.App with the arguments inbound, the dialled number, the caller's number;
//   - agents (agent1, agent2 unless Options.Agents says otherwise), in queue support as well;
//   - accounts that softphones register with (Options.Accounts); such a phone hears itself at 600.
package asterisk
