"""What people are told of what happens to their accounts: in the app's inbox, by short message and by e-mail, as they like."""
