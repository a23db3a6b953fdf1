// Package ecs stands in for ECS on Fargate, where an AWS emulator keeps task
// definitions and services but runs nothing. It is a proxy before the emulator:
// what it does not know passes unchanged, under the Host that the caller signed.
//
// # What it imitates
//
// RunTask starts the task's image, and DescribeTasks tells its state and its exit
// code. CreateService, UpdateService and DeleteService start, replace and stop the
// one task of a service: the new one has to pass its health check before the old
// one gets its SIGTERM and stopTimeout seconds; a new one that does not pass in
// time is stopped, and the old one stays. DescribeServices tells whether it runs.
//
// A task is the image as the registry has it: its files in a folder of its own,
// its entry point as a process with the variables of the task definition, the
// secrets that the execution role may read, and the credentials of the task role.
// The command of the definition or of the caller's override stands for the
// image's. Its output goes to the definition's log group when it has ended.
//
// Application Auto Scaling is here, too, as far as services need it: registering a
// target raises the desired count to its minimum, as AWS does; policies are kept.
//
// # What it leaves out
//
// Isolation: a task is a process of this user on this network, so the settings that
// name places of AWS (a database's host, a port, the path of a file in the image)
// are changed by the caller, Options.Place. More than one task of a service and
// more than one container of a task. Scaling by load. Deployments, events and
// metrics as the API shows them, which stay the emulator's.
package ecs
