package config

import "os"

// BuildID is the build ID recorded in an image, for programs without settings of
// their own. It is empty outside of images.
func BuildID() string { return os.Getenv("RECFLOW_BUILD_ID") }
