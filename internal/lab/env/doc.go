// Package env finds the real parts that setup/*.sh installed beside the project (folder .local) or that are on PATH, and holds
// the one rule about tests that need them:
//
//   - with RINGMASTER_TEST_ENV=full (set by `make test`, so also on CI) a missing part fails the test;
//   - otherwise the test is skipped and says which part is missing and what installs it;
//   - an optional part that setup tried and could not install (today only MySQL, see .local/stamps/<part>.missing) is skipped even
//     then, and is named, as every skipped test is, in the closing line of `make test`.
package env
