# What somebody does in an emergency; it takes longer than it should.
dsops whoami | grep caller
dsops sandbox clock --advance 900 > /dev/null
dsops whoami
