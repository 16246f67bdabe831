"""What stands on the page: content as values, what evidence fits, template, style, script."""
