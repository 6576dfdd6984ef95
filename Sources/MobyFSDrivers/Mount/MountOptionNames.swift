// SPDX-License-Identifier: Apache-2.0

import MobyFSHost
import MobyFSVolumes

/// The keys of `o=` that a type of file system takes.
///
/// Sources: nfs(5), mount.cifs(8), sshfs(1), mount.fuse3(8), ssh_config(5), mount.glusterfs(8), mount.ceph(8), and for the
/// kernel's own the documents in Documentation/filesystems of Linux.
struct MountOptionNames: Sendable {
    /// Where the keys are explained.
    let manual: String
    /// Whether a key that is not here is wrong for certain; else the kernel is asked.
    let isComplete: Bool
    private let names: Set<String>

    private init(
        _ manual: String, _ lists: String..., negatable: String = "", isComplete: Bool = true
    ) {
        self.manual = manual
        self.isComplete = isComplete
        var names = Set(lists.flatMap { $0.split(whereSeparator: \.isWhitespace).map(String.init) })
        for name in negatable.split(whereSeparator: \.isWhitespace) {
            names.insert(String(name))
            names.insert("no\(name)")
        }
        self.names = names
    }

    func contains(_ key: String) -> Bool {
        names.contains(key)
    }

    /// The keys, with those that every type takes.
    var all: Set<String> { names.union(MountFlags.names) }

    /// The known key that is nearest to one that is not.
    func nearest(to key: String) -> String? {
        Suggestion.nearest(to: key, in: all)
    }

    /// The keys that a type takes; nil if nothing is known of it.
    static func of(_ type: MountType) -> MountOptionNames? {
        if type.isSSHFS { return sshfs }
        if type.isNFS { return nfs }
        if type.isSMB { return smb }
        // What the administrator has made a file system of is up to the administrator.
        let program = type.isKnownFUSEProgram ? type.fuseProgram : type.name
        if let program, programs[program] != nil || type.isKnownFUSEProgram {
            let own = programs[program] ?? ""
            let words = own.split(whereSeparator: \.isWhitespace)
            let list =
                words.isEmpty
                ? "none of its own" : words.count > 12 ? "some of its own" : words.joined(separator: ", ")
            return MountOptionNames(
                "mobyfs-volume-options(7): beside those of FUSE, mobyfs passes on \(list)", fuse, own,
                own.replacing("-", with: "_"))
        }
        return all[type.name]
    }

    /// What every program of FUSE takes.
    private static let fuse = """
        allow_other allow_root default_permissions auto_unmount umask uid gid fsname subtype max_read max_write max_readahead
        kernel_cache auto_cache noauto_cache direct_io async_read sync_read attr_timeout entry_timeout negative_timeout
        ac_attr_timeout noforget remember nonempty big_writes large_read hard_remove use_ino readdir_ino no_rofd_flush context
        fscontext defcontext rootcontext
        """

    /// What single programs take beyond that, but for what starts programs or has files of the host read or written.
    private static let programs = [
        "rclone": """
        allow-other allow-root allow-non-empty attr-timeout read-only dir-cache-time poll-interval vfs-cache-mode
        vfs-cache-max-age vfs-cache-max-size vfs-cache-poll-interval vfs-read-chunk-size vfs-read-chunk-size-limit
        vfs-read-ahead vfs-read-wait vfs-write-wait vfs-write-back vfs-case-insensitive vfs-fast-fingerprint
        vfs-used-is-size vfs-disk-space-total-size no-modtime no-checksum no-seek dir-perms file-perms default-permissions
        daemon-timeout daemon-wait max-read-ahead write-back-cache async-read volname devname buffer-size transfers checkers
        timeout contimeout low-level-retries retries tpslimit tpslimit-burst bwlimit use-mmap fast-list
        """,
        "mergerfs": """
        category.create category.action category.search minfreespace moveonenospc cache.files cache.open cache.statfs
        cache.attr cache.entry cache.negative_entry cache.writeback cache.symlinks cache.readdir dropcacheonclose inodecalc
        statfs statfs-ignore nfsopenhack branches-mount-timeout ignorepponrename export-support threads read-thread-count
        process-thread-count follow-symlinks link-exdev rename-exdev security-capability xattr readahead
        """,
        "bindfs": """
        mirror mirror-only map force-user force-group perms create-for-user create-for-group create-with-perms
        create-as-mounter create-as-user chown-normal chown-ignore chown-deny chgrp-normal chgrp-ignore chgrp-deny
        chmod-normal chmod-ignore chmod-deny chmod-filter chmod-allow-x xattr-none xattr-ro xattr-rw delete-deny rename-deny
        no-allow-other multithreaded realistic-permissions ctime-from-mtime enable-lock-forwarding hide-hard-links
        uid-offset gid-offset
        """,
        "unionfs": "cow hide_meta_files max_files relaxed_permissions statfs_omit_ro preserve_branch",
        "fuse-overlayfs": """
        lowerdir upperdir workdir squash-to-root squash-to-uid squash-to-gid uidmapping gidmapping xattr-permissions
        static-nlink volatile noacl threaded
        """,
        "s3fs": """
        url endpoint use-path-request-style sigv2 sigv4 iam-role retries readwrite-timeout connect-timeout
        max-stat-cache-size stat-cache-expire enable-noobj-cache multipart-size multireq-max parallel-count
        list-object-max-keys nocopyapi norenameapi nomultipart no-check-certificate nomixupload complement-stat
        notsup-compat-dir compat-dir mp-umask
        """,
        "curlftpfs": "ssl no-verify-peer no-verify-hostname utf8 codepage ftp-port tlsv1 connect-timeout disable-epsv",
        "gocryptfs": "sharedstorage", "squashfuse": "offset timeout", "fuse2fs": "offset norecovery",
    ]

    /// Those of ssh that sshfs passes on, but for those that start programs.
    private static let ssh = """
        AddressFamily BatchMode BindAddress BindInterface CertificateFile ChallengeResponseAuthentication CheckHostIP
        Cipher Ciphers Compression CompressionLevel ConnectionAttempts ConnectTimeout FingerprintHash
        GlobalKnownHostsFile GSSAPIAuthentication GSSAPIDelegateCredentials HostbasedAuthentication HostbasedKeyTypes
        HostKeyAlgorithms HostKeyAlias HostName IdentitiesOnly IdentityFile IPQoS KbdInteractiveAuthentication
        KbdInteractiveDevices KexAlgorithms LogLevel MACs NoHostAuthenticationForLocalhost NumberOfPasswordPrompts
        PasswordAuthentication Port PreferredAuthentications ProxyJump PubkeyAcceptedKeyTypes PubkeyAuthentication
        RekeyLimit RevokedHostKeys ServerAliveCountMax ServerAliveInterval StrictHostKeyChecking TCPKeepAlive
        UpdateHostKeys UsePrivilegedPort UserKnownHostsFile VerifyHostKeyDNS VisualHostKey
        """

    private static let sshfs = MountOptionNames(
        "sshfs(1) and ssh_config(5)",
        """
        reconnect delay_connect sshfs_sync no_readahead sync_readdir dir_cache dcache_max_size dcache_timeout
        dcache_stat_timeout dcache_link_timeout dcache_dir_timeout dcache_clean_interval dcache_min_clean_interval cache
        cache_timeout cache_max_size direct_io workaround idmap uidfile gidfile nomap ssh_protocol sftp_server
        disable_hardlink transform_symlinks contain_symlinks no_contain_symlinks follow_symlinks no_check_root max_conns
        compression port kernel_cache auto_cache noauto_cache no_rofd_flush umask uid gid entry_timeout negative_timeout
        attr_timeout ac_attr_timeout noforget remember modules allow_other allow_root default_permissions auto_unmount
        fsname subtype max_read max_write max_readahead async_read sync_read nonempty large_read hard_remove use_ino
        readdir_ino big_writes subdir rellinks norellinks from_code to_code blksize context fscontext defcontext rootcontext
        """, ssh)

    private static let security = "context fscontext defcontext rootcontext seclabel"

    private static let nfs = MountOptionNames(
        "nfs(5)",
        """
        acdirmax acdirmin acregmax acregmin actimeo addr bg fg bsize cert_serial privkey_serial clientaddr fatal_neterrors
        hard soft softerr local_lock lookupcache max_connect minorversion mountaddr mounthost mountport mountproto mountvers
        namlen nconnect nfsvers vers v2 v3 v4 v4.0 v4.1 v4.2 port proto rdma tcp udp retrans retry rsize wsize sec sloppy
        source timeo write xprtsec namelen nordirplus
        """, security,
        negatable:
            "ac acl alignwrite cto fsc intr lock migration posix rdirplus resvport sharecache softreval trunkdiscovery"
    )

    private static let smb = MountOptionNames(
        "mount.cifs(8)",
        """
        noblocksend noautotune nolease nodelete mapchars nomapchars nodfs nocase ignorecase forcemandatorylock forcemand
        setuidfromacl idsfromsid rwpidforward cifsacl locallease sign ignore_signature signloosely seal noac fsc mfsymlinks
        multiuser sloppy nosharesock nosparse domainauto rdma modesid modefromsid rootfs compress witness backupuid backupgid
        uid cruid gid file_mode dirmode dir_mode port min_enc_offload retrans esize bsize rasize rsize wsize actimeo acdirmax
        acregmax closetimeo echo_interval max_credits max_cached_dirs handletimeout snapshot max_channels source user username
        ip addr domain dom workgroup srcaddr iocharset netbiosname servern ver vers sec cache guest cred credentials unc
        prefixpath symlink symlinkroot reparse nativesocket unicode upcall_target nbsessinit retry sfu-xattr
        """, security,
        negatable: """
            user_xattr forceuid multichannel forcegid hard soft perm mapposix sfu posixpaths unix linux posix brl handlecache
            setuids dynperm intr strictsync serverino acl persistenthandles resilienthandles tcpnodelay nativesocket
            """)

    private static let all: [String: MountOptionNames] = [
        "glusterfs": MountOptionNames(
            "mount.glusterfs(8)",
            """
            log-level log-file log-server log-server-port transport direct-io-mode volume-name volume-id subdir-mount
            volfile-check server-port attribute-timeout entry-timeout negative-timeout gid-timeout lru-limit invalidate-limit
            background-qlen backup-volfile-servers backupvolfile-server fetch-attempts congestion-threshold oom-score-adj
            xlator-option fuse-mountopts use-readdirp event-history reader-thread-count auto-invalidation no-root-squash
            root-squash kernel-writeback-cache attr-times-granularity dump-fuse fuse-flush-handle-interrupt
            fuse-dev-eperm-ratelimit-ns halo-max-latency halo-max-replicas halo-min-replicas process-name fopen-keep-cache
            io-engine acl selinux worm mem-accounting aux-gfid-mount thin-client resolve-gids global-threading
            localtime-logging capability enable-ino fuse-mount-opts context fscontext defcontext rootcontext
            """),
        "ceph": MountOptionNames(
            "mount.ceph(8)",
            """
            mon_addr fsid secretfile name conf ip mount_timeout fs mds_namespace rsize wsize rasize wsync nowsync
            caps_wanted_delay_min caps_wanted_delay_max readdir_max_entries readdir_max_bytes snapdirname recover_session
            ms_mode crush_location read_from_replica caps_max osdkeepalivetimeout osdtimeout osd_idle_ttl write_congestion_kb
            congestion_kb test_dummy_encryption noshare share fsc nofsc norequire_active_mds nocephx_require_signatures
            nocephx_sign_messages notcp_nodelay nofallback
            """,
            negatable:
                "asyncreaddir dcache rbytes crc copyfrom poolperm quotadf acl ino32 dirstat pagecache tcp_nodelay",
            isComplete: false),
        "ext4": MountOptionNames(
            "ext4(5)",
            """
            bsddf minixdf grpid bsdgroups nogrpid sysvgroups resgid resuid sb errors nouid32 debug removed data data_err commit
            max_batch_time min_batch_time journal_dev journal_path journal_checksum journal_async_commit abort usrjquota
            grpjquota jqfmt grpquota quota usrquota prjquota dax stripe inode_readahead_blks auto_da_alloc noauto_da_alloc
            dioread_nolock dioread_lock discard nodiscard init_itable noinit_itable max_dir_size_kb block_validity
            noblock_validity delalloc nodelalloc user_xattr acl noacl norecovery noload barrier nobarrier noquota nombcache
            """, security, isComplete: false),
        "xfs": MountOptionNames(
            "xfs(5)",
            """
            allocsize attr2 noattr2 dax discard nodiscard grpid bsdgroups nogrpid sysvgroups filestreams ikeep noikeep inode32
            inode64 largeio nolargeio logbufs logbsize logdev rtdev noalign norecovery nouuid noquota uquota usrquota quota
            uqnoenforce qnoenforce gquota grpquota gqnoenforce pquota prjquota pqnoenforce sunit swidth swalloc wsync
            """, security, isComplete: false),
        "btrfs": MountOptionNames(
            "btrfs(5)",
            """
            acl noacl autodefrag noautodefrag barrier nobarrier clear_cache commit compress compress-force datacow nodatacow
            datasum nodatasum degraded device discard nodiscard enospc_debug noenospc_debug fatal_errors flushoncommit
            noflushoncommit fragment max_inline metadata_ratio norecovery rescan_uuid_tree rescue skip_balance space_cache
            nospace_cache ssd ssd_spread nossd nossd_spread subvol subvolid thread_pool treelog notreelog usebackuproot
            user_subvol_rm_allowed
            """, security, isComplete: false),
        "overlay": MountOptionNames(
            "the kernel's overlayfs document",
            """
            lowerdir lowerdir+ datadir+ upperdir workdir default_permissions redirect_dir index uuid nfs_export xino metacopy
            verity volatile userxattr override_creds nooverride_creds
            """, security, isComplete: false),
    ]
}
