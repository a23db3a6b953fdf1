package config

import "os"

// BuildID is what an image says of the code in it, for programs that have no
// settings of their own. Empty outside of images.
func BuildID() string { return os.Getenv("RECFLOW_BUILD_ID") }
