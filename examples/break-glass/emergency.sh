# A command of an emergency that runs longer than the session.
dsops whoami | grep caller
dsops sandbox clock --advance 900 > /dev/null
dsops whoami
