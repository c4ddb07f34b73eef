"""AWS's config file and a configuration of dsops, each made of the other; pure: texts come in, texts go out."""
