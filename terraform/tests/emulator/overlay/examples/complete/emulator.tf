variable "architecture" {
  description = "Architecture of this machine: the function runs here."
  type        = string
}
