// Package scheduler decides what is dialled when: it claims due contacts,
// keeps CPS and concurrency limits, runs the gates again, places the attempt
// on disk and hands it to a call. It also finds the attempts of dead
// controllers and ends or adopts them.
package scheduler
