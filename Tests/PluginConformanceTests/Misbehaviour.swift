// SPDX-License-Identifier: Apache-2.0

/// What a ``TestPlugin`` does wrong: one thing each.
enum Misbehaviour: String, CaseIterable {
    // Plugin.Activate
    case activatesWithNothing
    case implementsNothing
    case implementsTheUnknown
    case activatesDifferently
    case wantsAccept

    // Requests
    case refusesEmptyHost
    case refusesEngineHost
    case refusesOtherHosts
    case wantsContentType
    case takesGET
    case takesUnknownCalls
    case refusesExpect
    case refusesOldHTTP
    case refusesUnknownKeys
    case wantsExactKeys

    // Connections
    case closesEachConnection
    case closesIdleConnections
    case dropsPipelinedCalls
    case wantsCallsInOnePiece
    case takesFewConnections
    case isHeldUpByOthers
    case diesOfHangUps
    case diesOfGarbage
    case isSlow

    // Answers
    case answersTwice
    case sendsErrorsAs500
    case sendsErrorsAsText
    case hasNoCapabilities
    case hasAnOddScope
    case wantsBodies
    case listsText
    case listsTwice
    case listsGhosts
    case findsTheUnknown
    case findsTheParent
    case answersAnEmptyGet
    case answersAnEmptyPath
    case hasNoPath
    case hasAnyPath
    case writesOddTimes
    case changesTimes
    case writesStatusAsText
    case writesMountpointAsNumber
    case tellsRelativeMountpoints

    // What is broken off or makes no sense
    case refusesLargeBodies
    case guessesNames
    case takesHalfACall
    case leavesHalfAVolume
    case takesEmptyChanges

    // Volumes
    case createsNothing
    case refusesNullOptions
    case createsOnce
    case listsNothingNew
    case answersNull
    case keepsWhatIsRemoved
    case refusesToRemoveTwice
    case neverUsesANameAgain
    case liesAboutRemoval

    // Mounts
    case mountsAtARelativePath
    case tellsAnotherPath
    case tellsAnotherMountpoint
    case mountsTheUnknown
    case countsIDsOnce
    case hasOneHolder
    case losesData
    case mountsOnce
    case refusesIDsAfterActivation
    case unmountsAtActivation
    case ignoresHangUps
    case neverUnmounts
    case countsAnyID
    case refusesUnknownIDs
    case refusesNeedlessUnmounts
    case refusesUnmountsOfUnknownVolumes

    // Mountpoints
    case mountsNowhere
    case mountsADeadDirectory
    case leavesLostAndFound
    case mountsProc

    // Names
    case wantsShortNames
    case takesEmptyNames
    case takesDots
    case followsNames
    case trimsNames
    case squashesNames

    // At the same time
    case mountsOneAtATime
    case racesOnCreate
    case losesCounts
}
