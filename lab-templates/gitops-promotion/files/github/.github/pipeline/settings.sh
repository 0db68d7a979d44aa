# shellcheck shell=bash disable=SC2034
# What the pipeline needs to know of this lab; written when the lab was made.
main='${branch}'
# Without a tag.
image_repository='${imageRepository}'
insecure_registry='${insecureRegistry}'
# In the order of promotion.
environments=(${environments})
