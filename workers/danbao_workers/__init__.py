"""What Danbao does in the background: an arq worker over Valkey."""
