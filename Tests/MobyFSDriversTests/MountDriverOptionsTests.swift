// SPDX-License-Identifier: Apache-2.0

import MobyFSDrivers
import MobyFSVolumes
import SystemPackage
import Testing

@Suite struct MountDriverOptionsTests {
    private let driver = MountDriver(reserved: ["/var/lib/mobyfs"])

    private func parsed(_ given: [String: String]) throws -> [String: String] {
        try OptionParser(driver).parse(given).options.values
    }

    private func refusal(_ given: [String: String]) throws -> String {
        let error = #expect(throws: VolumeError.self) { try OptionParser(driver).parse(given) }
        #expect(error?.code == .invalidArgument)
        return try #require(error).message
    }

    @Test(arguments: [
        ["type": "nfs", "device": ":/export", "o": "addr=10.0.0.5,nolock,soft,rw"],
        ["type": "nfs4", "device": "[fe80::1]:/export", "o": "nfsvers=4.2,_netdev,x-systemd.automount"],
        ["type": "none", "device": "/srv/data", "o": "bind"],
        ["type": "none", "device": "/srv/data", "o": "rbind,ro,rslave"],
        ["type": "ext4", "device": "/dev/vdb1", "o": "noatime,data=ordered"],
        ["type": "cifs", "device": "//server/share", "o": "username=me,password=x,vers=3.0,uid=1000,file_mode=0777"],
        ["type": "overlay", "device": "overlay", "o": "lowerdir=/a:/b"],
        [
            "type": "fuse.sshfs", "device": "me@host:",
            "o": "IdentityFile=/root/.ssh/id,allow_other,ServerAliveInterval=15",
        ],
        ["type": "glusterfs", "device": "host:/vol", "o": "log-level=ERROR"],
        ["type": "whatever", "device": "anything", "o": "any=thing"],
    ])
    func takesWhatTheEnginesOwnDriverTakes(options: [String: String]) throws {
        let values = try parsed(options)
        #expect(values["type"] == options["type"])
        #expect(values["device"] == options["device"])
    }

    @Test(
        arguments: [
            (["type": "nfs"], "'device' is missing"),
            (["device": "/dev/vdb"], "'type' is missing"),
            (["type": "nfs", "device": ""], "'device' is missing"),
            (["type": "nfs", "device": "nas:/x\nevil"], "line break"),
            (["type": "nfs", "device": "nas"], "server:/folder"),
            (["type": "ext4", "device": "vdb1"], "absolute path"),
            (["type": "none", "device": "data", "o": "bind"], "absolute path"),
            (["type": "none", "device": "/srv/../etc", "o": "bind"], "'..'"),
            (["type": "none", "device": "/srv"], "add o=bind"),
            (["type": "none", "device": "/srv", "o": "bind,size=1G"], "'size' does not go with a bind"),
            (["type": "none", "device": "/var/lib/mobyfs/volumes/x", "o": "bind"], "overlaps"),
            (["type": "none", "device": "/var", "o": "bind"], "overlaps"),
            (["type": "../sh", "device": "x"], "not the name of a file system"),
            (["type": "fuse", "device": "host:"], "fuse.PROGRAM"),
            (["type": "fuse3", "device": "host:"], "fuse.PROGRAM"),
            (["type": "fuse3", "device": "perl#-esystem(\"id\")"], "begins with '-'"),
            (["type": "fuseblk", "device": "/dev/vdb1"], "fuse.PROGRAM"),
            (["type": "fuse.bindfs", "device": "/srv", "o": "a\\\\,b=c"], "is not the name of an option"),
            (["type": "sshfs", "device": "host:", "o": "ssh_command=id"], "starts a program"),
            (["type": "cifs", "device": "server/share"], "//server/share"),
            (["type": "cifs", "device": "//me:secret@server/share"], "has a password in it"),
            (["type": "fuse.sshfs", "device": "-oProxyCommand=id"], "begins with '-'"),
            (["type": "fuse.sshfs", "device": "host:", "o": "ProxyCommand=id"], "starts a program"),
            (["type": "fuse.sshfs", "device": "host:", "o": "ssh_command=id"], "starts a program"),
            (["type": "fuse.sshfs", "device": "host:", "port": "2222"], "put it into o=, as in o=port=2222"),
            (["type": "nfs", "device": "nas:/x", "soft": ""], "put it into o=, as in o=soft"),
            (
                ["type": "sshfs", "device": "host:", "o": "UserKnownHostsFile=/root/.ssh/authorized_keys"],
                "add StrictHostKeyChecking=yes"
            ),
            (
                [
                    "type": "sshfs", "device": "host:",
                    "o": "StrictHostKeyChecking=no,UserKnownHostsFile=/x,StrictHostKeyChecking=yes",
                ], "add StrictHostKeyChecking=yes"
            ),
            (["type": "overlay", "device": "overlay", "o": "upperdir=/u,workdir=/w"], "needs lowerdir="),
            (["type": "overlay", "device": "overlay", "o": "lowerdir=/l,upperdir=/u"], "upperdir= and workdir="),
            (["type": "fuse.gocryptfs", "device": "/srv", "o": "extpass=id"], "unknown mount option 'extpass'"),
            (["type": "fuse.gocryptfs", "device": "/srv", "o": "passfile=/f"], "FUSE, mobyfs passes on sharedstorage"),
            (["type": "fuse.rclone", "device": "box:", "o": "password-command=id"], "unknown mount option"),
            (["type": "fuse.rclone", "device": "box:", "o": "env.RCLONE_CONFIG_X_TYPE=local"], "unknown mount option"),
            (["type": "fuse.rclone", "device": "box:", "o": "log-file=/etc/cron.d/x"], "unknown mount option"),
            (["type": "fuse.rclone", "device": ":sftp,ssh=id:/"], "remote:folder"),
            (["type": "fuse.rclone", "device": ":local:/var/lib/mobyfs/volumes"], "overlaps"),
            (["type": "rclone", "device": "box:", "o": "sftp-ssh=id"], "unknown mount option"),
            (["type": "fuse.s3fs", "device": "bucket", "o": "credlib=/srv/evil.so"], "unknown mount option"),
            (["type": "fuse.mergerfs", "device": "/srv=RW:/var/lib/mobyfs=RO"], "overlaps"),
            (["type": "overlay", "device": "o", "o": "lowerdir=/srv:/var/lib/mobyfs/volumes"], "overlaps"),
            (
                ["type": "overlay", "device": "o", "o": "lowerdir=/opt,upperdir=/var/lib/mobyfs/trash,workdir=/srv"],
                "overlaps"
            ),
            (["type": "proc", "device": "proc"], "is a view of the kernel"),
            (["type": "ext4", "device": "/srv/disk.img", "o": "loop"], "losetup --find --show FILE"),
            (["sshcmd": "host:", "ControlPath": "/var/lib/mobyfs/sock"], "processes of this host"),
            (["sshcmd": "host:", "ProxyJump": "x;id;@h"], "no list of hosts"),
            (["sshcmd": "me:hunter2@host:/srv"], "has a password in it"),
            (["sshcmd": "[-oProxyCommand=id]:/"], "begins with '-'"),
            (["type": "cifs", "device": "//nas/x", "o": "username=me%hunter2"], "has a password in it"),
            (["type": "glusterfs", "device": "/srv/evil.vol"], "server:/volume"),
            (["type": "glusterfs", "device": "host:/vol", "o": "log-file=/etc/cron.d/x"], "below /var/log"),
            (["type": "glusterfs", "device": "host:/vol", "o": "log-file=/var/log/../cron.d/x"], "below /var/log"),
            (["type": "fuse.sshfs", "device": "host:", "o": "recconnect"], "did you mean 'reconnect'?"),
            (["type": "fuse.sshfs", "device": "host:", "o": "IdentifyFile=/x"], "did you mean 'IdentityFile'?"),
            (["type": "nfs", "device": "nas:/x", "o": "sotf"], "did you mean 'soft'?"),
            (["type": "cifs", "device": "//nas/x", "o": "filemode=0777"], "did you mean 'file_mode'?"),
            (["type": "nfs", "device": "nas:/x", "o": "remount"], "makes no sense"),
            (["type": "nfs", "device": "nas:/x", "password": "hunter2"], "no way to take a password"),
            (["type": "cifs", "device": "//nas/x", "credentials": "../x"], "neither an absolute path nor"),
            (["type": "cifs", "device": "//nas/x", "credentials": "/x", "password": "p"], "leave one out"),
            (["type": "cifs", "device": "//nas/x", "o": "credentials=/y", "credentials": "/x"], "leave one out"),
            (["type": "nfs", "device": "nas:/x", "on-remove": "delete"], "deletes no data"),
            (["type": "nfs", "device": "nas:/x", "username": "me"], "goes with type=cifs"),
            (["nfsopts": "soft"], "goes with share="),
            (["share": "nas/x", "device": "nas:/x"], "do not go together"),
            (["share": "nas/x", "nfsopts": "soft", "cifsopts": "guest"], "do not go together"),
            (["sshcmd": "host:", "type": "nfs"], "do not go together"),
            (["sshcmd": "host:", "IdentifyFile": "/x"], "did you mean 'IdentityFile'?"),
            (["type": "nfs", "device": "nas:/x", "devise": "x"], "did you mean 'device'?"),
        ] as [([String: String], String)])
    func refusesWhatMakesNoSenseAndSaysWhatWould(options: [String: String], words: String) throws {
        let text = try refusal(options)
        #expect(text.contains(words), "\(text)")
        #expect(!text.contains("hunter2") && !text.contains("secret@"))
    }

    @Test func leavesPathsOfTheHostToThePackageThatSeesThem() {
        let managed = MountDriver(seesHost: false)
        #expect(throws: VolumeError.self) {
            try OptionParser(managed).parse(["type": "none", "device": "/srv", "o": "bind"])
        }
        #expect(throws: Never.self) { try OptionParser(managed).parse(["type": "nfs", "device": "nas:/x"]) }
    }

    /// As the default options of a further name beside what its users write.
    @Test func takesATypeThatSaysWhatTheAddressSays() throws {
        #expect(try parsed(["type": "fuse.sshfs", "sshcmd": "me@host:/srv"])["device"] == "me@host:/srv")
    }

    @Test func readsVolumesOfNetshare() throws {
        #expect(try parsed(["share": "nas/data/x"]) == ["type": "nfs", "device": "nas:/data/x"])
        #expect(
            try parsed(["share": "nas:/data", "nfsopts": "soft,vers=3"])
                == ["type": "nfs", "device": "nas:/data", "o": "soft,vers=3"])
        #expect(try parsed(["share": "nas/data", "cifsopts": "vers=2.1"])["o"] == "vers=2.1,guest")
        let cifs = try OptionParser(driver).parse([
            "share": "nas/data", "username": "me", "password": "hunter2", "domain": "home", "security": "ntlmssp",
            "fileMode": "0660", "dirMode": "0770", "cifsopts": "vers=3.0,noperm", "create": "true",
        ])
        #expect(cifs.options["type"] == "cifs")
        #expect(cifs.options["device"] == "//nas/data")
        #expect(
            cifs.options["o"]
                == "vers=3.0,noperm,dir_mode=0770,domain=home,file_mode=0660,sec=ntlmssp,username=me")
        #expect(cifs.options["password"] == Secret.placeholder)
        #expect(cifs.options["create"] == "true")
        #expect(cifs.secrets["password"]?.value == "hunter2")
        // A password in the list is one as well.
        let list = try OptionParser(driver).parse(["share": "nas/data", "cifsopts": "username=me,password=hunter2"])
        #expect(list.options["o"] == "username=me")
        #expect(list.secrets["password"]?.value == "hunter2")
        #expect(try parsed(["share": "mon1,mon2:/x", "cephopts": "name=me"])["type"] == "ceph")
    }

    @Test func readsVolumesOfVieuxSSHFS() throws {
        let volume = try OptionParser(driver).parse([
            "sshcmd": "me@host:/srv", "password": "hunter2", "port": "2222", "IdentityFile": "/root/.ssh/id",
            "allow_other": "", "reconnect": "", "uid": "1000", "StrictHostKeyChecking": "no",
        ])
        #expect(volume.options["type"] == "fuse.sshfs")
        #expect(volume.options["device"] == "me@host:/srv")
        #expect(
            volume.options["o"]
                == "IdentityFile=/root/.ssh/id,StrictHostKeyChecking=no,allow_other,port=2222,reconnect,uid=1000")
        #expect(volume.options.owner == nil)
        #expect(volume.secrets["password"]?.value == "hunter2")
        #expect(try parsed(["sshcmd": "host:"])["o"] == "StrictHostKeyChecking=accept-new")
    }

    @Test func takesTheOlderWayToNameAFUSEProgram() throws {
        #expect(throws: Never.self) {
            try OptionParser(driver).parse(["type": "fuse", "device": "sshfs#me@host:", "o": "reconnect"])
        }
    }

}
