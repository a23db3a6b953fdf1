// Package ecs emulates ECS on Fargate on top of an AWS emulator that stores task
// definitions and services but runs nothing. It is a proxy in front of the
// emulator: other calls are forwarded unchanged, with the Host that the caller
// signed.
//
// # Supported
//
// RunTask starts the task's image, and DescribeTasks returns its state and its exit
// code. CreateService, UpdateService and DeleteService start, replace and stop the
// single task of a service: the new one must pass its health check before the old
// one gets its SIGTERM and stopTimeout seconds; a new one that does not pass in
// time is stopped, and the old one stays. DescribeServices returns whether it runs.
//
// A task is the image as the registry has it: its files in a directory, its entry
// point as a process with the variables of the task definition, the secrets that
// the execution role may read, and the credentials of the task role. The command of
// the definition or of the caller's override replaces the image's. Its output goes
// to the definition's log group when it has ended.
//
// Application Auto Scaling is supported as far as services need it: registering a
// target raises the desired count to its minimum, as AWS does; policies are stored.
//
// # Not supported
//
// Isolation: a task is a process of this user on this network, so settings with
// addresses on AWS (a database's host, a port, the path of a file in the image) are
// changed by the caller, Options.Place. More than one task of a service and more
// than one container of a task. Scaling by load. Deployments, events and metrics as
// the API shows them, which are the emulator's.
package ecs
